/* The codec of a blob, by its number. */
#ifndef WPK_TESTS_CODECS_H
#define WPK_TESTS_CODECS_H

#include <stddef.h>

#include "wpk/codec.h"

/* NULL for a number that no codec has. */
static const wpk_codec *find_codec(uint8_t number) {
    static const wpk_codec *const codecs[] = {
#define WPK_CODEC(number, name, groups) [number] = &wpk_codec_##name,
#include "wpk/codecs.def"
    };
    return number < sizeof codecs / sizeof codecs[0] ? codecs[number] : NULL;
}

#endif
