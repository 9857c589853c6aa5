// Little-endian loads from any address.
#ifndef WPCONVERT_CORE_LOAD_H_
#define WPCONVERT_CORE_LOAD_H_

#include <stdint.h>
#include <string.h>

namespace wpconvert {

// The host and every Cortex-M that is supported are little-endian, so bytes are copied as they are.
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "models are little-endian");

template <typename T>
inline T Load(const uint8_t *address) {
    T value;
    memcpy(&value, address, sizeof(T));
    return value;
}

}  // namespace wpconvert

#endif  // WPCONVERT_CORE_LOAD_H_
