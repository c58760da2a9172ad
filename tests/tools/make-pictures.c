/* make-pictures.c - draw the example pictures: a small ray tracer and its scenes, always the same.
 * usage: make-pictures DIRECTORY [FACTOR]
 * Writes balls.jpg boxes.jpg beach.jpg snowman.jpg (turned by EXIF) night.jpg (greyscale)
 * fruit.png and balls.webp. With FACTOR, 1 to 8, all sides are so many times as long.
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>
#include <webp/encode.h>

enum { WIDTH = 640, HEIGHT = 480, SAMPLES = 3, OBJECTS_MOST = 24, BOUNCES = 3 };

struct vector {
	double x, y, z;
};

enum pattern { PLAIN, CHECKS, STRIPES, PLANKS, SHORE };

struct object {
	double radius; /* of a sphere; 0: a box from centre - half to centre + half */
	struct vector centre, half;
	struct vector colour, other; /* the second for patterns */
	enum pattern pattern;
	double mirror;
};

struct scene {
	const char *name;
	int width, height;
	struct vector eye, target, sun; /* sun: direction towards it */
	struct vector zenith, horizon;  /* colours of the sky */
	struct object ground;           /* the plane y = 0 */
	struct object objects[OBJECTS_MOST];
	double sun_size; /* cosine of its radius as seen; above 1: no disc */
	double ambient, light;
};

static struct vector add(struct vector a, struct vector b)
{
	return (struct vector){ a.x + b.x, a.y + b.y, a.z + b.z };
}

static struct vector scale(struct vector a, double s)
{
	return (struct vector){ a.x * s, a.y * s, a.z * s };
}

static struct vector minus(struct vector a, struct vector b)
{
	return add(a, scale(b, -1));
}

static struct vector times(struct vector a, struct vector b)
{
	return (struct vector){ a.x * b.x, a.y * b.y, a.z * b.z };
}

static double dot(struct vector a, struct vector b)
{
	return a.x * b.x + a.y * b.y + a.z * b.z;
}

static struct vector cross(struct vector a, struct vector b)
{
	return (struct vector){ a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x };
}

static struct vector unit(struct vector a)
{
	return scale(a, 1 / sqrt(dot(a, a)));
}

static struct vector mix(struct vector a, struct vector b, double t)
{
	return add(scale(a, 1 - t), scale(b, t));
}

/* Where a ray meets a sphere, or a negative number. */
static double meet_sphere(const struct object *object, struct vector from, struct vector way)
{
	struct vector offset = minus(from, object->centre);
	double b = dot(offset, way), c = dot(offset, offset) - object->radius * object->radius;
	double square = b * b - c;
	if (square < 0)
		return -1;
	double root = sqrt(square);
	return -b - root > 1e-6 ? -b - root : -b + root;
}

/* The same for a box, by slabs; *normal is set when it is met. */
static double meet_box(
    const struct object *object, struct vector from, struct vector way, struct vector *normal)
{
	const double f[3] = { from.x - object->centre.x, from.y - object->centre.y,
		from.z - object->centre.z };
	const double w[3] = { way.x, way.y, way.z };
	const double h[3] = { object->half.x, object->half.y, object->half.z };
	double enter = -1e30, leave = 1e30;
	int axis = 0;
	for (int i = 0; i < 3; i++) {
		double slope = fabs(w[i]) < 1e-12 ? 1e12 : 1 / w[i];
		double near = (-h[i] - f[i]) * slope, far = (h[i] - f[i]) * slope;
		if (near > far) {
			double swap = near;
			near = far;
			far = swap;
		}
		if (near > enter) {
			enter = near;
			axis = i;
		}
		leave = far < leave ? far : leave;
	}
	if (enter > leave || enter < 1e-6)
		return -1;
	double sign = w[axis] < 0 ? 1 : -1;
	*normal = (struct vector){ axis == 0 ? sign : 0, axis == 1 ? sign : 0, axis == 2 ? sign : 0 };
	return enter;
}

struct hit {
	double distance; /* negative: nothing was met */
	const struct object *object;
	struct vector point, normal;
};

static struct hit meet(const struct scene *scene, struct vector from, struct vector way)
{
	struct hit hit = { .distance = -1 };
	if (way.y < -1e-9 && from.y > 1e-9) {
		hit.distance = -from.y / way.y;
		hit.object = &scene->ground;
		hit.normal = (struct vector){ 0, 1, 0 };
	}
	for (int i = 0; i < OBJECTS_MOST; i++) {
		const struct object *object = &scene->objects[i];
		struct vector normal = { 0, 1, 0 };
		if (object->radius == 0 && object->half.x == 0)
			break;
		double distance = object->radius > 0 ? meet_sphere(object, from, way)
		                                     : meet_box(object, from, way, &normal);
		if (distance < 1e-6 || (hit.distance > 0 && distance > hit.distance))
			continue;
		hit.distance = distance;
		hit.object = object;
		if (object->radius > 0)
			normal = unit(minus(add(from, scale(way, distance)), object->centre));
		hit.normal = normal;
	}
	hit.point = add(from, scale(way, hit.distance));
	return hit;
}

static struct vector surface(const struct hit *hit)
{
	const struct object *object = hit->object;
	struct vector p = hit->point, local = minus(p, object->centre);
	bool second = false;
	switch (object->pattern) {
	case PLAIN:
		break;
	case CHECKS:
		second = ((long)floor(p.x) + (long)floor(p.z)) & 1;
		break;
	case STRIPES: /* segments around the axis */
		second = (long)floor(atan2(local.z, local.x) * 3 / 3.14159265 + 10) & 1;
		break;
	case PLANKS:
		return mix(object->colour, object->other,
		    0.5 + 0.3 * sin(p.x * 9 + sin(p.z * 0.7) * 2) +
		        (fabs(fmod(p.x + 50, 1)) < 0.04 ? 0.4 : 0));
	case SHORE: { /* sand in front, foam, sea behind */
		double edge = p.z - 6 - 0.4 * sin(p.x * 0.6);
		if (edge < 0)
			return object->colour;
		if (edge < 0.5)
			return (struct vector){ 0.95, 0.97, 0.97 };
		double ripple = 0.5 + 0.5 * sin(p.z * 2.2 + 0.8 * sin(p.x * 0.5));
		return mix(object->other, scale(object->other, 1.5), ripple * exp(-edge * 0.02));
	}
	}
	return second ? object->other : object->colour;
}

static struct vector sky(const struct scene *scene, struct vector way)
{
	double height = way.y < 0 ? 0 : way.y;
	struct vector colour = mix(scene->horizon, scene->zenith, pow(height, 0.5));
	double towards = dot(way, scene->sun);
	if (towards > scene->sun_size)
		return (struct vector){ 1, 0.97, 0.85 };
	if (towards > 0 && scene->sun_size < 1)
		colour = add(colour, scale((struct vector){ 0.5, 0.35, 0.15 }, pow(towards, 60)));
	return colour;
}

static struct vector trace(
    const struct scene *scene, struct vector from, struct vector way, int left)
{
	struct hit hit = meet(scene, from, way);
	if (hit.distance < 0)
		return sky(scene, way);
	struct vector base = surface(&hit), above = add(hit.point, scale(hit.normal, 1e-4));
	double facing = dot(hit.normal, scene->sun);
	double lit = facing > 0 && meet(scene, above, scene->sun).distance < 0 ? facing : 0;
	struct vector colour =
	    scale(base, scene->ambient * (0.7 + 0.3 * hit.normal.y) + scene->light * lit);
	struct vector mirrored = minus(way, scale(hit.normal, 2 * dot(way, hit.normal)));
	double shine = hit.object->radius > 0 && lit > 0 ? dot(mirrored, scene->sun) : 0;
	if (shine > 0)
		colour = add(colour, scale((struct vector){ 1, 1, 1 }, 0.5 * pow(shine, 50)));
	if (hit.object->mirror > 0 && left > 0)
		colour = mix(colour,
		    times(trace(scene, above, mirrored, left - 1), (struct vector){ 0.95, 0.95, 0.95 }),
		    hit.object->mirror);
	/* The far ground fades into the horizon. */
	return mix(scene->horizon, colour, exp(-hit.distance * 0.006));
}

static unsigned char to_byte(double value)
{
	value = value < 0 ? 0 : value > 1 ? 1 : value;
	return (unsigned char)(pow(value, 1 / 2.2) * 255 + 0.5);
}

/* The whole picture, R G B row by row, to be freed. */
static unsigned char *render(const struct scene *scene)
{
	unsigned char *pixels = malloc((size_t)scene->width * (size_t)scene->height * 3);
	if (!pixels)
		exit(2);
	struct vector forward = unit(minus(scene->target, scene->eye));
	struct vector right = unit(cross((struct vector){ 0, 1, 0 }, forward));
	struct vector up = cross(forward, right);
	double focal = 1.1 * (scene->width > scene->height ? scene->width : scene->height);
	for (int i = 0; i < scene->width * scene->height; i++) {
		struct vector sum = { 0, 0, 0 };
		for (int sample = 0; sample < SAMPLES * SAMPLES; sample++) {
			double x = i % scene->width + (sample % SAMPLES + 0.5) / SAMPLES - scene->width / 2.0;
			double y = scene->height / 2.0 - i / scene->width - (sample / SAMPLES + 0.5) / SAMPLES;
			struct vector way = add(add(scale(right, x), scale(up, y)), scale(forward, focal));
			sum = add(sum, trace(scene, scene->eye, unit(way), BOUNCES));
		}
		sum = scale(sum, 1.0 / (SAMPLES * SAMPLES));
		pixels[3 * i] = to_byte(sum.x);
		pixels[3 * i + 1] = to_byte(sum.y);
		pixels[3 * i + 2] = to_byte(sum.z);
	}
	return pixels;
}

static FILE *create(const char *directory, const char *name, const char *extension)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/%s.%s", directory, name, extension);
	FILE *file = fopen(path, "wb");
	if (!file) {
		perror(path);
		exit(2);
	}
	return file;
}

/* orientation 0: no EXIF. components 1: greyscale, of the green channel. */
static void write_jpeg(
    FILE *file, const unsigned char *pixels, int width, int height, int components, int orientation)
{
	struct jpeg_compress_struct jpeg;
	struct jpeg_error_mgr errors;
	jpeg.err = jpeg_std_error(&errors);
	jpeg_create_compress(&jpeg);
	jpeg_stdio_dest(&jpeg, file);
	jpeg.image_width = (JDIMENSION)width;
	jpeg.image_height = (JDIMENSION)height;
	jpeg.input_components = components;
	jpeg.in_color_space = components == 3 ? JCS_RGB : JCS_GRAYSCALE;
	jpeg_set_defaults(&jpeg);
	jpeg_set_quality(&jpeg, 82, TRUE);
	jpeg.optimize_coding = TRUE;
	jpeg_start_compress(&jpeg, TRUE);
	if (orientation) {
		unsigned char exif[] = "Exif\0\0II*\0\10\0\0\0\1\0\x12\1\3\0\1\0\0\0?\0\0\0\0\0\0";
		exif[24] = (unsigned char)orientation;
		jpeg_write_marker(&jpeg, JPEG_APP0 + 1, exif, 32);
	}
	JSAMPLE *row = malloc((size_t)width * 3);
	if (!row)
		exit(2);
	for (int y = 0; y < height; y++) {
		const unsigned char *from = pixels + (size_t)y * (size_t)width * 3;
		for (int i = 0; i < width * components; i++)
			row[i] = components == 3 ? from[i] : from[3 * i + 1];
		jpeg_write_scanlines(&jpeg, &row, 1);
	}
	free(row);
	jpeg_finish_compress(&jpeg);
	jpeg_destroy_compress(&jpeg);
	fclose(file);
}

/* The picture as a camera held on its side stores it: orientation 6 turns it back. */
static unsigned char *turn(const unsigned char *pixels, int width, int height)
{
	unsigned char *turned = malloc((size_t)width * (size_t)height * 3);
	if (!turned)
		exit(2);
	for (int row = 0; row < width; row++)
		for (int column = 0; column < height; column++)
			memcpy(turned + 3 * (row * height + column),
			    pixels + 3 * (column * width + width - 1 - row), 3);
	return turned;
}

static void write_png(FILE *file, const unsigned char *pixels, int width, int height)
{
	png_image image = { .version = PNG_IMAGE_VERSION,
		.width = (png_uint_32)width,
		.height = (png_uint_32)height,
		.format = PNG_FORMAT_RGB };
	if (!png_image_write_to_stdio(&image, file, 0, pixels, 0, NULL))
		exit(2);
	fclose(file);
}

static void write_webp(FILE *file, const unsigned char *pixels, int width, int height)
{
	uint8_t *bytes;
	size_t size = WebPEncodeRGB(pixels, width, height, 3 * width, 80, &bytes);
	if (size == 0 || fwrite(bytes, 1, size, file) != size)
		exit(2);
	WebPFree(bytes);
	fclose(file);
}

static const struct
    scene
        scenes
            [] = {
	            { .name = "balls",
	                .width = WIDTH,
	                .height = HEIGHT,
	                .eye = { 0, 2.2, -7 },
	                .target = { 0, 0.9, 0 },
	                .sun = { -0.5, 0.8, -0.4 },
	                .zenith = { 0.15, 0.35, 0.75 },
	                .horizon = { 0.70, 0.80, 0.90 },
	                .ground = { .colour = { 0.75, 0.75, 0.72 },
	                    .other = { 0.05, 0.05, 0.06 },
	                    .pattern = CHECKS },
	                .objects = { { .radius = 1,
	                                 .centre = { -2.2, 1, 0.4 },
	                                 .colour = { 0.80, 0.06, 0.05 } },
	                    { .radius = 1.2,
	                        .centre = { 0.1, 1.2, 1.5 },
	                        .colour = { 0.9, 0.9, 0.9 },
	                        .mirror = 0.85 },
	                    { .radius = 0.9,
	                        .centre = { 2.3, 0.9, 0 },
	                        .colour = { 0.05, 0.10, 0.70 },
	                        .mirror = 0.1 },
	                    { .radius = 0.5,
	                        .centre = { 0.6, 0.5, -1.6 },
	                        .colour = { 0.08, 0.50, 0.10 } } },
	                .sun_size = 2,
	                .ambient = 0.35,
	                .light = 0.75 },
	            { .name = "boxes",
	                .width = WIDTH,
	                .height = HEIGHT,
	                .eye = { 4.5, 3.4, -6.5 },
	                .target = { 0, 1.1, 0 },
	                .sun = { 0.6, 0.9, -0.7 },
	                .zenith = { 0.55, 0.62, 0.70 },
	                .horizon = { 0.85, 0.85, 0.82 },
	                .ground = { .colour = { 0.30, 0.15, 0.06 },
	                    .other = { 0.48, 0.26, 0.11 },
	                    .pattern = PLANKS },
	                .objects = { { .centre = { -1.2, 0.8, 0.3 },
	                                 .half = { 0.8, 0.8, 0.8 },
	                                 .colour = { 0.75, 0.05, 0.05 } },
	                    { .centre = { 0.9, 0.7, 0.8 },
	                        .half = { 0.9, 0.7, 0.6 },
	                        .colour = { 0.04, 0.20, 0.60 } },
	                    { .centre = { -0.9, 2.0, 0.4 },
	                        .half = { 0.5, 0.4, 0.5 },
	                        .colour = { 0.90, 0.65, 0.04 } },
	                    { .centre = { 0.7, 1.7, 0.8 },
	                        .half = { 0.3, 0.3, 0.3 },
	                        .colour = { 0.05, 0.45, 0.12 } },
	                    { .centre = { 1.0, 0.3, -1.4 },
	                        .half = { 0.5, 0.3, 0.3 },
	                        .colour = { 0.80, 0.80, 0.78 } } },
	                .sun_size = 2,
	                .ambient = 0.35,
	                .light = 0.75 },
	            { .name = "beach",
	                .width = WIDTH,
	                .height = HEIGHT,
	                .eye = { 0, 2.4, -5 },
	                .target = { 0, 2.0, 5 },
	                .sun = { 0.25, 0.16, 1 },
	                .zenith = { 0.10, 0.20, 0.50 },
	                .horizon = { 0.95, 0.55, 0.28 },
	                .ground = { .colour = { 0.72, 0.55, 0.33 },
	                    .other = { 0.05, 0.22, 0.33 },
	                    .pattern = SHORE },
	                .objects = { { .radius = 0.6,
	                    .centre = { -1.0, 0.6, 2.0 },
	                    .colour = { 0.85, 0.10, 0.08 },
	                    .other = { 0.95, 0.95, 0.90 },
	                    .pattern = STRIPES } },
	                .sun_size = 0.9985,
	                .ambient = 0.60,
	                .light = 0.50 },
	            { .name = "snowman",
	                .width = HEIGHT,
	                .height = WIDTH,
	                .eye = { 0.8, 2.0, -8 },
	                .target = { 0, 1.9, 0 },
	                .sun = { -0.7, 0.6, -0.6 },
	                .zenith = { 0.25, 0.45, 0.80 },
	                .horizon = { 0.80, 0.86, 0.93 },
	                .ground = { .colour = { 0.85, 0.87, 0.92 } },
	                .objects = { { .radius = 1.1,
	                                 .centre = { 0, 1.0, 0 },
	                                 .colour = { 0.92, 0.93, 0.96 } },
	                    { .radius = 0.8, .centre = { 0, 2.4, 0 }, .colour = { 0.92, 0.93, 0.96 } },
	                    { .radius = 0.55, .centre = { 0, 3.4, 0 }, .colour = { 0.92, 0.93, 0.96 } },
	                    { .radius = 0.13,
	                        .centre = { 0.02, 3.38, -0.6 },
	                        .colour = { 0.90, 0.35, 0.02 } },
	                    { .radius = 0.07,
	                        .centre = { -0.17, 3.55, -0.5 },
	                        .colour = { 0.01, 0.01, 0.01 } },
	                    { .radius = 0.07,
	                        .centre = { 0.23, 3.55, -0.48 },
	                        .colour = { 0.01, 0.01, 0.01 } },
	                    { .radius = 0.08,
	                        .centre = { 0.02, 2.65, -0.77 },
	                        .colour = { 0.01, 0.01, 0.01 } },
	                    { .radius = 0.08,
	                        .centre = { 0.02, 2.35, -0.80 },
	                        .colour = { 0.01, 0.01, 0.01 } },
	                    { .centre = { 0, 3.88, 0 },
	                        .half = { 0.6, 0.05, 0.6 },
	                        .colour = { 0.03, 0.03, 0.04 } },
	                    { .centre = { 0, 4.2, 0 },
	                        .half = { 0.38, 0.3, 0.38 },
	                        .colour = { 0.03, 0.03, 0.04 } } },
	                .sun_size = 2,
	                .ambient = 0.45,
	                .light = 0.60 },
	            { .name = "night",
	                .width = WIDTH,
	                .height = HEIGHT,
	                .eye = { 0, 2.2, -9 },
	                .target = { 0, 2.4, 0 },
	                .sun = { -0.28, 0.33, 1 },
	                .zenith = { 0.01, 0.01, 0.02 },
	                .horizon = { 0.10, 0.11, 0.13 },
	                .ground = { .colour = { 0.10, 0.10, 0.10 },
	                    .other = { 0.16, 0.16, 0.16 },
	                    .pattern = CHECKS },
	                .objects = { { .centre = { -3, 1.3, 2 },
	                                 .half = { 1.1, 1.3, 1 },
	                                 .colour = { 0.12, 0.12, 0.12 } },
	                    { .centre = { 0.2, 1.9, 3 },
	                        .half = { 1.2, 1.9, 1 },
	                        .colour = { 0.16, 0.16, 0.16 } },
	                    { .centre = { 3.2, 1.1, 1.5 },
	                        .half = { 1, 1.1, 1 },
	                        .colour = { 0.10, 0.10, 0.10 } },
	                    { .centre = { -3.4, 1.6, 0.98 },
	                        .half = { 0.25, 0.3, 0.02 },
	                        .colour = { 9, 9, 9 } },
	                    { .centre = { -0.4, 2.8, 1.98 },
	                        .half = { 0.25, 0.3, 0.02 },
	                        .colour = { 9, 9, 9 } },
	                    { .centre = { 0.7, 1.6, 1.98 },
	                        .half = { 0.25, 0.3, 0.02 },
	                        .colour = { 9, 9, 9 } },
	                    { .centre = { 3.3, 1.3, 0.48 },
	                        .half = { 0.25, 0.3, 0.02 },
	                        .colour = { 9, 9, 9 } } },
	                .sun_size = 0.998,
	                .ambient = 0.30,
	                .light = 0.30 },
	            { .name = "fruit",
	                .width = 320,
	                .height = 240,
	                .eye = { 0, 3.2, -5.5 },
	                .target = { 0, 0.6, 0 },
	                .sun = { -0.5, 0.8, -0.5 },
	                .zenith = { 0.70, 0.66, 0.58 },
	                .horizon = { 0.85, 0.80, 0.70 },
	                .ground = { .colour = { 0.25, 0.40, 0.45 },
	                    .other = { 0.90, 0.90, 0.86 },
	                    .pattern = CHECKS },
	                .objects = { { .radius = 0.8,
	                                 .centre = { -1.1, 0.8, 0.2 },
	                                 .colour = { 0.95, 0.40, 0.02 } },
	                    { .radius = 0.8,
	                        .centre = { 0.7, 0.8, 0.7 },
	                        .colour = { 0.95, 0.43, 0.03 } },
	                    { .radius = 0.7,
	                        .centre = { 0.0, 0.7, -0.9 },
	                        .colour = { 0.65, 0.03, 0.04 } },
	                    { .radius = 0.65,
	                        .centre = { 1.7, 0.65, -0.6 },
	                        .colour = { 0.45, 0.62, 0.06 } },
	                    { .centre = { 0.0, 1.45, -0.9 },
	                        .half = { 0.04, 0.14, 0.04 },
	                        .colour = { 0.15, 0.08, 0.03 } },
	                    { .centre = { 1.7, 1.35, -0.6 },
	                        .half = { 0.04, 0.13, 0.04 },
	                        .colour = { 0.15, 0.08, 0.03 } } },
	                .sun_size = 2,
	                .ambient = 0.40,
	                .light = 0.65 },
            };

int main(int argc, char **argv)
{
	int factor = argc == 3 ? argv[2][0] - '0' : 1;
	if (argc < 2 || argc > 3 || factor < 1 || factor > 8 || (argc == 3 && argv[2][1])) {
		fprintf(stderr, "usage: make-pictures DIRECTORY [FACTOR]\n");
		return 2;
	}
	for (size_t i = 0; i < sizeof scenes / sizeof scenes[0]; i++) {
		struct scene scene = scenes[i];
		scene.sun = unit(scene.sun);
		scene.width *= factor;
		scene.height *= factor;
		unsigned char *pixels = render(&scene);
		if (strcmp(scene.name, "fruit") == 0) {
			write_png(create(argv[1], scene.name, "png"), pixels, scene.width, scene.height);
		} else if (strcmp(scene.name, "snowman") == 0) {
			unsigned char *turned = turn(pixels, scene.width, scene.height);
			write_jpeg(create(argv[1], scene.name, "jpg"), turned, scene.height, scene.width, 3, 6);
			free(turned);
		} else {
			int components = strcmp(scene.name, "night") == 0 ? 1 : 3;
			write_jpeg(create(argv[1], scene.name, "jpg"), pixels, scene.width, scene.height,
			    components, 0);
		}
		if (strcmp(scene.name, "balls") == 0)
			write_webp(create(argv[1], scene.name, "webp"), pixels, scene.width, scene.height);
		free(pixels);
	}
	return 0;
}
