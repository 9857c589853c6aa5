#include "wpconvert/flexbuffer.h"

#include "load.h"

namespace wpconvert {
namespace {

// Types of the FlexBuffers format.
enum : uint8_t {
    kInt = 1,
    kUint = 2,
    kString = 5,
    kIndirectInt = 6,
    kIndirectUint = 7,
    kMap = 9,
    kVector = 10,
    kVectorInt = 11,
    kVectorUint = 12,
    kVectorInt2 = 16,  // then Uint2, Float2, the same for 3 and 4
    kVectorUint4 = 23,
    kBool = 26,
    kVectorBool = 36,
};

}  // namespace

// Everything is stored in 1, 2, 4 or 8 bytes; offsets go backwards from where they are stored.
bool FlexMap::Load(uint32_t position, uint32_t width, uint64_t *value) const {
    if (position > nbytes_ || width > nbytes_ - position) {
        return false;
    }
    *value = 0;
    memcpy(value, data_ + position, width);
    return true;
}

bool FlexMap::Follow(const Value &value, uint32_t *target) const {
    uint64_t offset;
    if (!Load(value.position, value.width, &offset) || offset > value.position) {
        return false;
    }
    *target = value.position - static_cast<uint32_t>(offset);
    return true;
}

bool FlexMap::Open(const uint8_t *data, uint32_t nbytes) {
    data_ = data;
    nbytes_ = nbytes;
    size_ = 0;
    // The last byte is the width of the root value, the one before it its type; the value itself is
    // in front.
    if (nbytes < 3) {
        return false;
    }
    const uint8_t type = data[nbytes - 2];
    const uint8_t width = data[nbytes - 1];
    if ((width != 1 && width != 2 && width != 4 && width != 8) || width > nbytes - 2 ||
        type >> 2 != kMap) {
        return false;
    }
    const Value root = {nbytes - 2 - width, width, kMap, static_cast<uint8_t>(1 << (type & 3))};
    uint32_t values;
    if (!Follow(root, &values)) {
        return false;
    }
    // In front of the values: offset of the key vector, its width, the number of entries.
    const uint32_t w = root.child_width;
    uint64_t key_width, size, key_count;
    uint32_t keys;
    if (values < 3 * w || !Load(values - w, w, &size) || !Load(values - 2 * w, w, &key_width) ||
        !Follow({values - 3 * w, static_cast<uint8_t>(w), 0, 0}, &keys)) {
        return false;
    }
    if (key_width != 1 && key_width != 2 && key_width != 4 && key_width != 8) {
        return false;
    }
    const uint32_t k = static_cast<uint32_t>(key_width);
    // Values are followed by one type byte each.
    if (size > nbytes || size * (w + 1) > nbytes - values || keys < k ||
        !Load(keys - k, k, &key_count) || key_count != size || size * k > nbytes - keys) {
        return false;
    }
    values_ = values;
    keys_ = keys;
    width_ = w;
    key_width_ = k;
    size_ = static_cast<uint32_t>(size);
    return true;
}

FlexMap::Result FlexMap::Find(const char *key, Value *value) const {
    const uint32_t length = static_cast<uint32_t>(strlen(key)) + 1;
    for (uint32_t i = 0; i < size_; i++) {
        uint32_t at;
        if (!Follow({keys_ + i * key_width_, static_cast<uint8_t>(key_width_), 0, 0}, &at)) {
            return kMalformed;
        }
        // A key ends with 0, so a match of `length` bytes is a match of the whole key.
        if (length <= nbytes_ - at && memcmp(data_ + at, key, length) == 0) {
            const uint8_t packed = data_[values_ + size_ * width_ + i];
            *value = {values_ + i * width_, static_cast<uint8_t>(width_),
                      static_cast<uint8_t>(packed >> 2), static_cast<uint8_t>(1 << (packed & 3))};
            return kFound;
        }
    }
    return kAbsent;
}

bool FlexMap::Integer(const Value &value, int32_t *result) const {
    uint32_t position = value.position;
    uint32_t width = value.width;
    uint8_t type = value.type;
    if (type == kIndirectInt || type == kIndirectUint) {
        if (!Follow(value, &position)) {
            return false;
        }
        width = value.child_width;
        type = type == kIndirectInt ? kInt : kUint;
    }
    uint64_t raw;
    if ((type != kInt && type != kUint && type != kBool) || !Load(position, width, &raw)) {
        return false;
    }
    if (type == kInt) {
        const uint32_t unused = 64 - 8 * width;
        const int64_t number = static_cast<int64_t>(raw << unused) >> unused;
        *result = static_cast<int32_t>(number);
        return number >= INT32_MIN && number <= INT32_MAX;
    }
    *result = static_cast<int32_t>(raw);
    return raw <= INT32_MAX;
}

FlexMap::Result FlexMap::Int(const char *key, int32_t *value) const {
    Value found;
    const Result result = Find(key, &found);
    return result == kFound && !Integer(found, value) ? kMalformed : result;
}

FlexMap::Result FlexMap::String(const char *key, const char **text, uint32_t *length) const {
    Value found;
    const Result result = Find(key, &found);
    if (result != kFound) {
        return result;
    }
    uint32_t at;
    uint64_t size;
    if (found.type != kString || !Follow(found, &at) || at < found.child_width ||
        !Load(at - found.child_width, found.child_width, &size) || size >= nbytes_ - at ||
        data_[at + size] != 0) {
        return kMalformed;
    }
    *text = reinterpret_cast<const char *>(data_ + at);
    *length = static_cast<uint32_t>(size);
    return kFound;
}

FlexMap::Result FlexMap::Ints(const char *key, int32_t *values, uint32_t limit,
                              uint32_t *count) const {
    Value found;
    const Result result = Find(key, &found);
    if (result != kFound) {
        return result;
    }
    uint32_t at;
    if (!Follow(found, &at)) {
        return kMalformed;
    }
    const uint32_t width = found.child_width;
    uint64_t size = 0;
    uint8_t type = kInt;
    bool typed = true;
    if (found.type >= kVectorInt2 && found.type <= kVectorUint4) {
        // Vectors of fixed length store none: 2, 3 or 4 of int, unsigned or float.
        size = 2 + (found.type - kVectorInt2) / 3;
        type = static_cast<uint8_t>(kInt + (found.type - kVectorInt2) % 3);
    } else {
        if (at < width || !Load(at - width, width, &size)) {
            return kMalformed;
        }
        typed = found.type != kVector;
        if (found.type == kVectorUint) {
            type = kUint;
        } else if (found.type == kVectorBool) {
            type = kBool;
        } else if (typed && found.type != kVectorInt) {
            return kMalformed;
        }
    }
    if (size > limit) {
        return kMalformed;
    }
    *count = static_cast<uint32_t>(size);
    for (uint32_t i = 0; i < *count; i++) {
        Value element = {at + i * width, static_cast<uint8_t>(width), type, 1};
        if (!typed) {
            // An untyped vector is followed by one type byte per element.
            uint64_t packed;
            if (!Load(at + *count * width + i, 1, &packed)) {
                return kMalformed;
            }
            element.type = static_cast<uint8_t>(packed) >> 2;
            element.child_width = static_cast<uint8_t>(1 << (packed & 3));
        }
        if (!Integer(element, &values[i])) {
            return kMalformed;
        }
    }
    return kFound;
}

}  // namespace wpconvert
