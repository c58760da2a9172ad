/* npy.h - NumPy's .npy format over memory, both ways: one tensor, little-endian.
 *   "\x93NUMPY" major minor | header length (u16, from version 2 on u32) | a Python dict | data
 * Read are versions 1.0, 2.0 and 3.0, C and Fortran order, and the simple types; not big-endian
 * data, records, texts and objects (which would be pickles). bf16 has no letter in NumPy.
 */
#ifndef ZV_STREAM_NPY_H
#define ZV_STREAM_NPY_H

#include "stream/tensors.h"

enum { NPY_HEADER_MOST = 384 }; /* what npy_format() writes */

/* Describe the tensor in a whole file of size bytes: its name is NULL, offset and strides are set
 * for tensor_copy(), whatever the order. Nothing may follow the data. 0, or -1 with ERROR_INPUT. */
int npy_parse(const uint8_t *bytes, size_t size, struct checkpoint_tensor *tensor);

/* Write the header (version 1.0, C order, padded with blanks to a multiple of 64 and to the length
 * least, which is one or 0) of a tensor of up to 9 dimensions to header; its length, or 0 with
 * ERROR_INPUT when NumPy has no such dtype. */
size_t npy_format(char dtype, int dimensions, const uint64_t *shape, size_t least,
    uint8_t header[NPY_HEADER_MOST]);

#endif
