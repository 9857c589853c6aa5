/* How a convolution or fully connected layer is computed on this core: chosen once, kept for all
 * calls. */
#ifndef WPK_PLAN_H
#define WPK_PLAN_H

#include <stdint.h>

#ifdef WPK_ANY_CORE
/* A core that a host plans for: every planning function has a twin ..._for that takes one. */
typedef const struct wpk_core_constants *wpk_core;
#endif

typedef enum {
    WPK_ROWS_DENSE,    /* rows of weights, decoded or as they are */
    WPK_ROWS_LISTED,   /* their stored elements as lists */
    WPK_ROWS_GROUPED,  /* lists in groups of 16 elements, on Helium */
    WPK_TILES_DIRECT,  /* shared vectors: every filter looks up every plane of every vector */
    WPK_TILES_PRODUCTS /* the same: products with all vectors first; filters add them up */
} wpk_schedule;

/* Blocks of rows times tiles of pixels. */
typedef struct {
    uint8_t schedule; /* a wpk_schedule */
    uint8_t tile_pixels;
    uint16_t windows;      /* gathered or copied at a time */
    uint32_t block_rows;   /* of weights at a time */
    uint32_t block_nbytes; /* what they take of scratch */
} wpk_rows_plan;

/* Tiles of outputs, from top to bottom in bands. */
typedef struct {
    uint8_t schedule; /* a wpk_schedule */
    uint8_t flags;
    uint8_t columns; /* of outputs of a tile */
    uint8_t groups;  /* of channels whose products are there at a time */
    uint32_t filters;
    uint32_t rows; /* of outputs of a band */
} wpk_tiles_plan;

/* Written by wpk_conv_plan or wpk_fully_connected_plan and read by the layer's calls; for nothing
 * else. It has no pointers, so a copy does as well. */
typedef union {
    uint8_t schedule; /* which of the two it is */
    wpk_rows_plan rows;
    wpk_tiles_plan tiles;
} wpk_plan;

#endif
