/* What a check can find. Only checks return a status; kernels that compute cannot fail. */
#ifndef WPK_STATUS_H
#define WPK_STATUS_H

typedef enum {
    WPK_OK = 0,
    WPK_BAD_BLOB,      /* a weight blob breaks a rule of its format */
    WPK_BAD_TABLE,     /* a requantisation table does */
    WPK_BAD_SIDE,      /* the side tensor of a codec does */
    WPK_UNKNOWN_CODEC, /* the blob's codec is not the one asked to read it */
    WPK_UNSUPPORTED    /* well-formed, but beyond what this build handles */
} wpk_status;

#endif
