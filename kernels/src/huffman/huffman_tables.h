/* The tables of codec 5 in RAM. */
#ifndef WPK_SRC_HUFFMAN_TABLES_H
#define WPK_SRC_HUFFMAN_TABLES_H

#include "huffman.h"

/* Bits that are looked up at once. */
enum { WPK_VALUE_NBITS = 9, WPK_GAP_NBITS = 8 };

/* An entry of a lookup: below, the length of the code; above, the value, or how far the next
 * element is. Longer codes escape. So do gaps with extra bits, with the length and symbol of their
 * code. */
enum { WPK_ESCAPE = 0x80, WPK_NO_SYMBOL = 255 };

/* An escape of values has its number above. Behind the lookup there are eight more entries for
 * each: by the next three bits. */
enum { WPK_ESCAPE_ENTRIES = 8 };

typedef struct {
    wpk_huffman huffman;
    const uint16_t *values, *gaps;
    const uint16_t *columns; /* number of each stored column of a period, NULL if all are stored */
} wpk_huffman_tables;

uint32_t wpk_huffman_tables_nbytes(const wpk_blob *blob);
void wpk_huffman_load_tables(const wpk_blob *blob, void *memory);

#endif
