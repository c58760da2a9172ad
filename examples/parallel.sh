#!/bin/sh
# parallel.sh - batch.mk by GNU parallel, on this host or on several that see the same files.
# usage: PICTURES=photos WORK=work MODEL=ziya N=64 parallel.sh [OPTION OF PARALLEL]...
#   parallel.sh -j2                       two shards at a time, here
#   parallel.sh -j2 -S host1,host2        two on each of these, which have the same folder and
#                                         zv-encode, zv-qformer, zv-generate, zv-cat in PATH
# Variables: those of batch.mk. One scan of the folder; then a job for each shard, each of which finds
# its pictures by itself (--shard); then one result. Killed or failed: the same command goes on.
set -u
here=$(cd "$(dirname "$0")" && pwd) || exit 2
WORK=${WORK:-work}
export WORK
make -s -f "$here/batch.mk" scan || exit
quoted() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"; }
# What a job needs to know is in WORK/settings, but the languages, which make wants to see.
job="make -s -f $(quoted "$here/batch.mk") WORK=$(quoted "$WORK") I={} shard"
[ -z "${LANGUAGES-}" ] || job="$job LANGUAGES=$(quoted "$LANGUAGES")"
[ -z "${ZV_THREADS-}" ] || job="$job ZV_THREADS=$(quoted "$ZV_THREADS")"
seq "$(cat "$WORK/shards")" | ${PARALLEL_PROGRAM:-parallel} --wd "$PWD" "$@" "$job" || exit
make -s -f "$here/batch.mk" merge
