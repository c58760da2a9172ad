"""search-faiss.py - a search against the flat index of FAISS (Debian's python3-faiss): the vectors, the
queries and the results that bench-search --dump wrote, with as many threads.

    search-faiss.py PREFIX WIDTH THREADS SECONDS

SECONDS: what ours took. Prints FAISS's time over it, and whether the results are the same in every rank
where scores differ: equal scores to 1e-5, and at each rank the same row, unless its score is one that
another row has as well. Status 1 if they are not; a line and status 0 without FAISS.
"""
import sys
import time

try:
    import faiss
    import numpy
except ImportError:
    print("FAISS: not installed here (python3-faiss)")
    sys.exit(0)

CLOSE = 1e-5


def same_results(found, scores, rows):
    """Differences between our lines and FAISS's matrices."""
    wrong = 0
    for query, rank, score, row in found:
        query, rank, row, score = int(query), int(rank), int(row), float(score)
        if abs(scores[query][rank] - score) > CLOSE:
            wrong += 1
        elif rows[query][rank] != row:
            twins = [other for other, value in zip(rows[query], scores[query]) if abs(value - score) <= CLOSE]
            last = abs(scores[query][-1] - score) <= CLOSE
            wrong += not (last or row in twins)
    return wrong


def main():
    prefix, width, threads, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    rows = numpy.fromfile(prefix + ".rows", dtype=numpy.float32).reshape(-1, width)
    queries = numpy.fromfile(prefix + ".queries", dtype=numpy.float32).reshape(-1, width)
    with open(prefix + ".found", encoding="ascii") as file:
        found = [line.split() for line in file]
    best = 1 + max(int(line[1]) for line in found)
    faiss.omp_set_num_threads(threads)
    index = faiss.IndexFlatIP(width)
    index.add(rows)
    del rows
    least = float("inf")
    for _ in range(5):
        start = time.monotonic()
        scores, numbers = index.search(queries, best)
        least = min(least, time.monotonic() - start)
    wrong = same_results(found, scores, numbers)
    print(
        "%3d queries: FAISS %s %.2f ms, %.2f times ours; %d of %d results differ"
        % (len(queries), faiss.__version__, 1e3 * least, least / seconds, wrong, len(found))
    )
    sys.exit(wrong > 0)


main()
