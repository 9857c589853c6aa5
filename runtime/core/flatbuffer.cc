#include "wpconvert/flatbuffer.h"

#include "load.h"

namespace wpconvert {

bool FlatBuffer::Holds(uint32_t position, uint32_t count) const {
    if (position <= nbytes && count <= nbytes - position) {
        return true;
    }
    malformed = true;
    return false;
}

int32_t FlatVector::I32(uint32_t i) const {
    return Load<int32_t>(data + i * sizeof(int32_t));
}

FlatTable FlatTable::Root(const FlatBuffer &buffer, const char *identifier) {
    if (!buffer.Holds(0, 8)) {
        return {};
    }
    if (identifier != nullptr && memcmp(buffer.data + 4, identifier, 4) != 0) {
        buffer.malformed = true;
        return {};
    }
    return FlatTable(&buffer, Load<uint32_t>(buffer.data));
}

// A table starts with the signed distance back to its vtable; a vtable is its own size, the table's
// size, and the offset of each field from the table's start, 0 for one that is not stored.
FlatTable::FlatTable(const FlatBuffer *buffer, uint32_t position) {
    if (position == 0 || !buffer->Holds(position, sizeof(int32_t))) {
        return;
    }
    const int64_t vtable = int64_t{position} - Load<int32_t>(buffer->data + position);
    // A negative position becomes a huge one, which no buffer holds.
    const uint32_t start = vtable < 0 ? UINT32_MAX : static_cast<uint32_t>(vtable);
    if (vtable > UINT32_MAX || !buffer->Holds(start, 4)) {
        buffer->malformed = true;
        return;
    }
    const uint32_t nbytes = Load<uint16_t>(buffer->data + start);
    if (nbytes < 4 || !buffer->Holds(start, nbytes)) {
        buffer->malformed = true;
        return;
    }
    buffer_ = buffer;
    position_ = position;
    vtable_ = start;
    vtable_nbytes_ = nbytes;
}

uint32_t FlatTable::Field(uint32_t slot, uint32_t nbytes) const {
    const uint32_t entry = 4 + 2 * slot;
    if (position_ == 0 || entry + 2 > vtable_nbytes_) {
        return 0;
    }
    const uint32_t offset = Load<uint16_t>(buffer_->data + vtable_ + entry);
    // position_ < 2^31, so the sum does not wrap.
    return offset != 0 && buffer_->Holds(position_ + offset, nbytes) ? position_ + offset : 0;
}

int32_t FlatTable::I32(uint32_t slot, int32_t missing) const {
    const uint32_t at = Field(slot, sizeof(int32_t));
    return at == 0 ? missing : Load<int32_t>(buffer_->data + at);
}

uint64_t FlatTable::U64(uint32_t slot) const {
    const uint32_t at = Field(slot, sizeof(uint64_t));
    return at == 0 ? 0 : Load<uint64_t>(buffer_->data + at);
}

uint32_t FlatTable::U8(uint32_t slot, uint32_t missing) const {
    const uint32_t at = Field(slot, 1);
    return at == 0 ? missing : buffer_->data[at];
}

int32_t FlatTable::I8(uint32_t slot, int32_t missing) const {
    return static_cast<int8_t>(U8(slot, static_cast<uint8_t>(missing)));
}

float FlatTable::F32(uint32_t slot, float missing) const {
    const uint32_t at = Field(slot, sizeof(float));
    return at == 0 ? missing : Load<float>(buffer_->data + at);
}

uint32_t FlatTable::Follow(uint32_t position) const {
    const uint32_t offset = Load<uint32_t>(buffer_->data + position);
    // Offsets go forward and are never 0. Both terms are below 2^31 once checked, so the sum does
    // not wrap.
    if (offset == 0 || !buffer_->Holds(offset, 0) || !buffer_->Holds(position + offset, 4)) {
        buffer_->malformed = true;
        return 0;
    }
    return position + offset;
}

FlatTable FlatTable::Table(uint32_t slot) const {
    const uint32_t at = Field(slot, sizeof(uint32_t));
    return at == 0 ? FlatTable() : FlatTable(buffer_, Follow(at));
}

FlatVector FlatTable::Vector(uint32_t slot, uint32_t element_nbytes) const {
    const uint32_t at = Field(slot, sizeof(uint32_t));
    const uint32_t start = at == 0 ? 0 : Follow(at);
    if (start == 0) {
        return {};
    }
    const uint32_t size = Load<uint32_t>(buffer_->data + start);
    if (size > buffer_->nbytes / element_nbytes ||
        !buffer_->Holds(start + 4, size * element_nbytes)) {
        buffer_->malformed = true;
        return {};
    }
    return {buffer_->data + start + 4, size};
}

FlatTable FlatTable::TableAt(FlatVector vector, uint32_t i) const {
    if (i >= vector.size) {
        return {};
    }
    return FlatTable(buffer_, Follow(static_cast<uint32_t>(vector.data - buffer_->data) + 4 * i));
}

const char *FlatTable::String(uint32_t slot) const {
    const FlatVector text = Vector(slot, 1);
    if (text.data == nullptr ||
        !buffer_->Holds(static_cast<uint32_t>(text.data - buffer_->data), text.size + 1) ||
        text.data[text.size] != 0) {
        return "";
    }
    return reinterpret_cast<const char *>(text.data);
}

}  // namespace wpconvert
