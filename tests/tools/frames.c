/* frames.c - zstd frames of any content, made and read by the stream's own frame layer.
 * usage: frames FILE          what the frames of FILE hold, to standard output
 *        frames -LEVEL FILE   one frame of the bytes of FILE (level 0: stored), to standard output
 * Status 1 with a message when FILE is refused.
 */
#include "base/error.h"
#include "base/number.h"
#include "stream/content.h"

#include <stdint.h>
#include <stdio.h>

enum { PIECE = 1 << 16, INPUT_MOST = 1 << 22 };

static int decode(const char *path)
{
	static uint8_t piece[PIECE];
	struct content content = { .source = source_open(path) };
	if (!content.source)
		return -1;
	int found;
	while ((found = content_next_item(&content)) > 0) {
		size_t got = PIECE;
		while (found > 0 && got == PIECE) {
			if (content_read(&content, piece, PIECE, &got) < 0)
				found = -1;
			else if (fwrite(piece, 1, got, stdout) != got)
				found = error_system("standard output: write error:");
		}
		if (found < 0)
			break;
	}
	content_release(&content);
	return found;
}

static int encode(const char *path, int level)
{
	static uint8_t bytes[INPUT_MOST];
	const uint8_t *frame;
	size_t available, size;
	struct source *source = source_open(path);
	int result = source ? source_read(source, bytes, sizeof bytes, &available) : -1;
	source_close(source);
	if (result < 0 || available == sizeof bytes)
		return result < 0 ? -1 : error_input("larger than this tool takes");
	struct frame_encoder *encoder = frame_encoder_new();
	/* In three pieces, as a record has header, payload and padding. */
	size_t first = available / 3, second = available / 2;
	const struct frame_piece pieces[] = { { bytes, first }, { bytes + first, second - first },
		{ bytes + second, available - second } };
	result = encoder ? frame_encode(encoder, level, pieces, 3, &frame, &size) : -1;
	if (result == 0 && fwrite(frame, 1, size, stdout) != size)
		result = error_system("standard output: write error:");
	frame_encoder_release(encoder);
	return result;
}

int main(int argc, char **argv)
{
	int64_t level = -1;
	if (argc == 3 && argv[1][0] == '-' && number_whole(argv[1] + 1, 0, 19, &level) < 0)
		return 2;
	if (argc != (level < 0 ? 2 : 3))
		return 2;
	const char *path = argv[argc - 1];
	if ((level < 0 ? decode(path) : encode(path, (int)level)) < 0) {
		fprintf(stderr, "frames: %s: %s\n", path, error_text());
		return 1;
	}
	return fflush(stdout) == 0 ? 0 : 2;
}
