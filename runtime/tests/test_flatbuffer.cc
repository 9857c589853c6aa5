#undef NDEBUG
#include <assert.h>
#include <string.h>

#include "model_builder.h"
#include "wpconvert/flatbuffer.h"

using wpconvert::FlatBuffer;
using wpconvert::FlatTable;
using wpconvert::FlatVector;
using wpconvert_test::Exact;
using wpconvert_test::Flat;

namespace {

Flat Sample() {
    Flat flat;
    const uint32_t root = flat.Table();
    flat.Put<uint32_t>(0, root);
    flat.Set<int32_t>(root, 0, -5);
    flat.Set<int8_t>(root, 1, -7);
    flat.Set<float>(root, 2, 1.5f);
    flat.Set<uint64_t>(root, 3, 1ull << 40);
    flat.Link(root, 4, flat.Vector(std::vector<int32_t>{1, -2, 3}));
    flat.Link(root, 5, flat.String("name"));
    const uint32_t child = flat.Table();
    flat.Link(root, 6, child);
    flat.Set<uint8_t>(child, 0, 1);
    const uint32_t list = flat.Offsets(1);
    flat.Link(root, 7, list);
    const uint32_t element = flat.Table();
    flat.LinkAt(list, 0, element);
    flat.Set<int32_t>(element, 9, 99);
    flat.Set<uint64_t>(element, 13, 1);  // the last byte of all
    return flat;
}

// Reads every field; returns a sum so that nothing is optimised away.
uint32_t Walk(const FlatBuffer &buffer) {
    const FlatTable root = FlatTable::Root(buffer, "TFL3");
    uint32_t sum = static_cast<uint32_t>(root.I32(0, 3)) + static_cast<uint32_t>(root.I8(1)) +
                   static_cast<uint32_t>(root.U64(3)) + (root.F32(2) > 0);
    const FlatVector numbers = root.Vector(4, 4);
    for (uint32_t i = 0; i < numbers.size; i++) {
        sum += static_cast<uint32_t>(numbers.I32(i));
    }
    sum += static_cast<uint32_t>(strlen(root.String(5)));
    sum += root.Table(6).U8(0);
    const FlatVector list = root.Vector(7, 4);
    for (uint32_t i = 0; i < list.size; i++) {
        sum += static_cast<uint32_t>(root.TableAt(list, i).I32(9));
        sum += static_cast<uint32_t>(root.TableAt(list, i).U64(13));
    }
    return sum;
}

void ReadsFields() {
    const Flat flat = Sample();
    const FlatBuffer buffer = {flat.bytes.data(), static_cast<uint32_t>(flat.bytes.size()), false};
    const FlatTable root = FlatTable::Root(buffer, "TFL3");
    assert(root.present());
    assert(root.I32(0, 3) == -5 && root.I8(1) == -7 && root.F32(2) == 1.5f);
    assert(root.U64(3) == 1ull << 40);
    assert(root.Vector(4, 4).size == 3 && root.Vector(4, 4).I32(1) == -2);
    assert(strcmp(root.String(5), "name") == 0);
    assert(root.Table(6).Bool(0));
    assert(root.TableAt(root.Vector(7, 4), 0).I32(9) == 99);
    // Fields that are not stored, slots beyond the vtable, elements beyond the vector, absent
    // tables.
    assert(root.I32(10, 3) == 3 && root.I32(1000, 4) == 4 && root.I8(12, -1) == -1);
    assert(!root.TableAt(root.Vector(7, 4), 1).present());
    assert(root.Table(11).I32(0, 8) == 8 && root.Table(11).Vector(0, 4).size == 0);
    assert(strcmp(root.String(11), "") == 0);
    assert(!buffer.malformed);
    assert(!FlatTable::Root(buffer, "XXXX").present() && buffer.malformed);
}

void NeverReadsOutside() {
    const Flat flat = Sample();
    uint32_t sum = 0;
    for (uint32_t n = 0; n < flat.bytes.size(); n++) {
        Exact copy(flat.bytes.data(), n);
        const FlatBuffer buffer = {copy.data(), n, false};
        sum += Walk(buffer);
        assert(buffer.malformed);
    }
    // Every byte set to values that make offsets huge, negative, zero or slightly wrong.
    for (uint32_t i = 0; i < flat.bytes.size(); i++) {
        for (uint8_t value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
            Exact copy(flat.bytes.data(), flat.bytes.size());
            copy.data()[i] = value;
            const FlatBuffer buffer = {copy.data(), static_cast<uint32_t>(flat.bytes.size()),
                                       false};
            sum += Walk(buffer);
        }
    }
    assert(sum != 0);
}

}  // namespace

int main() {
    ReadsFields();
    NeverReadsOutside();
    return 0;
}
