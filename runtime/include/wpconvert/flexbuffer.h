// A bounds-checked reader of a FlexBuffer whose root is a map: the options of custom operators.
#ifndef WPCONVERT_FLEXBUFFER_H_
#define WPCONVERT_FLEXBUFFER_H_

#include <stdint.h>

namespace wpconvert {

// Values are looked up by key, by a walk over the keys: maps of options have a handful of entries.
// Nothing outside the given bytes is read. A value of another type than asked for, or one that does
// not fit, is an error and never the default.
class FlexMap {
   public:
    enum Result : uint8_t { kFound, kAbsent, kMalformed };

    // False unless the root is a map whose keys and values lie inside the bytes.
    bool Open(const uint8_t *data, uint32_t nbytes);

    // An integer or boolean.
    Result Int(const char *key, int32_t *value) const;
    // A string of `length` bytes in place, zero-terminated.
    Result String(const char *key, const char **text, uint32_t *length) const;
    // A vector of integers, typed or not; kMalformed when it has more than `limit`. Sets values[0 …
    // *count).
    Result Ints(const char *key, int32_t *values, uint32_t limit, uint32_t *count) const;

   private:
    struct Value {
        uint32_t position;    // where the value, or the offset to it, is stored
        uint8_t width;        // bytes of what is stored there
        uint8_t type;         // packed type without its width bits
        uint8_t child_width;  // bytes of the elements of what the offset leads to
    };
    bool Load(uint32_t position, uint32_t width, uint64_t *value) const;
    bool Follow(const Value &value, uint32_t *target) const;
    Result Find(const char *key, Value *value) const;
    bool Integer(const Value &value, int32_t *result) const;

    const uint8_t *data_ = nullptr;
    uint32_t nbytes_ = 0;
    uint32_t values_ = 0;  // position of the first value
    uint32_t keys_ = 0;    // position of the first key offset
    uint32_t size_ = 0;
    uint32_t width_ = 0;
    uint32_t key_width_ = 0;
};

}  // namespace wpconvert

#endif  // WPCONVERT_FLEXBUFFER_H_
