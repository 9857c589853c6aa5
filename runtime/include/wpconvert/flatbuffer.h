// A bounds-checked reader of FlatBuffers, for the little of the format that models need.
//
// Our own so that neither firmware nor the Python package depends on a generated schema and its
// headers, and because the usual way, one verification pass and unchecked access afterwards, costs
// more flash than reading a few dozen fields with checks. Nothing is copied and nothing is trusted:
// each access checks the offsets it follows against the buffer. What cannot be read reads as absent
// (0, the default, an empty vector) and sets the buffer's `malformed`, which whoever reads looks at
// before believing what he read.
#ifndef WPCONVERT_FLATBUFFER_H_
#define WPCONVERT_FLATBUFFER_H_

#include <stdint.h>

namespace wpconvert {

// The bytes of a flatbuffer; nbytes < 2^31.
struct FlatBuffer {
    const uint8_t *data = nullptr;
    uint32_t nbytes = 0;
    mutable bool malformed = false;

    // True when [position, position + count) lies inside; otherwise sets malformed.
    bool Holds(uint32_t position, uint32_t count) const;
};

// A vector of numbers or offsets: all of it lies inside the buffer, whatever its alignment.
struct FlatVector {
    const uint8_t *data = nullptr;
    uint32_t size = 0;  // elements

    // Element i of a vector of 4-byte integers, i in [0, size).
    int32_t I32(uint32_t i) const;
};

// A table. A default-constructed one stands for an absent table: all its fields read as absent.
class FlatTable {
   public:
    FlatTable() = default;

    // The root table of a buffer that starts with an offset and, where `identifier` is given, these
    // 4 characters.
    static FlatTable Root(const FlatBuffer &buffer, const char *identifier);

    bool present() const {
        return position_ != 0;
    }

    // Scalar fields by slot number (the field's id in the schema); `missing` when the field is not
    // stored.
    int32_t I32(uint32_t slot, int32_t missing = 0) const;
    uint64_t U64(uint32_t slot) const;
    int32_t I8(uint32_t slot, int32_t missing = 0) const;
    uint32_t U8(uint32_t slot, uint32_t missing = 0) const;
    bool Bool(uint32_t slot, bool missing = false) const {
        return U8(slot, missing) != 0;
    }
    float F32(uint32_t slot, float missing = 0.0f) const;

    FlatTable Table(uint32_t slot) const;
    // A vector of elements of `element_nbytes` bytes.
    FlatVector Vector(uint32_t slot, uint32_t element_nbytes) const;
    // Table i of a vector of tables.
    FlatTable TableAt(FlatVector vector, uint32_t i) const;
    // A zero-terminated string; "" when absent. It may have zeros inside.
    const char *String(uint32_t slot) const;
    // True when the field is stored.
    bool Has(uint32_t slot) const {
        return Field(slot, 0) != 0;
    }

   private:
    FlatTable(const FlatBuffer *buffer, uint32_t position);
    uint32_t Field(uint32_t slot, uint32_t nbytes) const;  // position of a field, 0 when absent
    uint32_t Follow(
        uint32_t position) const;  // target of the offset stored at a position, 0 when outside

    const FlatBuffer *buffer_ = nullptr;
    uint32_t position_ = 0;
    uint32_t vtable_ = 0;
    uint32_t vtable_nbytes_ = 0;
};

}  // namespace wpconvert

#endif  // WPCONVERT_FLATBUFFER_H_
