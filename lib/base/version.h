/* version.h - versions of the project and of what it was built with. */
#ifndef ZV_BASE_VERSION_H
#define ZV_BASE_VERSION_H

#define ZV_VERSION "0.1.0"

/* "name version", the stream version, the libraries and the kernel set, on standard output. */
void version_print(const char *program);

/* Add a line to what version_print() prints ("libjpeg-turbo 2.1.5"): a program names the foreign
 * libraries it uses before program_begin(). At most 16; texts must stay valid. */
void version_add(const char *text);

/* The same with a text that costs something to make: text() is called only by --version. */
void version_add_later(const char *(*text)(void));

#endif
