// Builds .tflite files in memory for tests: only as much of FlatBuffers as that takes.
#ifndef WPCONVERT_TESTS_MODEL_BUILDER_H_
#define WPCONVERT_TESTS_MODEL_BUILDER_H_

#include <stdint.h>
#include <string.h>

#include <new>
#include <string>
#include <vector>

namespace wpconvert_test {

// Appends tables with room for a fixed number of fields of up to 8 bytes each; fields are filled in
// later, in any order. A table's vtable lies right in front of it.
class Flat {
   public:
    static constexpr uint32_t kSlots = 14;

    Flat() : bytes(8) {
        memcpy(&bytes[4], "TFL3", 4);
    }

    uint32_t Table() {
        Align(4);
        const uint32_t vtable = static_cast<uint32_t>(bytes.size());
        const uint32_t vtable_nbytes = 4 + 2 * kSlots;
        bytes.resize(vtable + vtable_nbytes + 4 + 8 * kSlots);
        const uint32_t table = vtable + vtable_nbytes;
        Put<uint16_t>(vtable, vtable_nbytes);
        Put<uint16_t>(vtable + 2, 4 + 8 * kSlots);
        Put<int32_t>(table, vtable_nbytes);
        return table;
    }

    template <typename T>
    void Set(uint32_t table, uint32_t slot, T value) {
        const uint16_t offset = static_cast<uint16_t>(4 + 8 * slot);
        Put<uint16_t>(table - 2 * kSlots + 2 * slot, offset);
        Put<T>(table + offset, value);
    }

    void Link(uint32_t table, uint32_t slot, uint32_t target) {
        Set<uint32_t>(table, slot, target - (table + 4 + 8 * slot));
    }

    template <typename T>
    uint32_t Vector(const std::vector<T> &values, uint32_t alignment = 4) {
        while ((bytes.size() + 4) % alignment != 0) {
            bytes.push_back(0);
        }
        const uint32_t at = static_cast<uint32_t>(bytes.size());
        bytes.resize(at + 4 + values.size() * sizeof(T));
        Put<uint32_t>(at, static_cast<uint32_t>(values.size()));
        if (!values.empty()) {
            memcpy(&bytes[at + 4], values.data(), values.size() * sizeof(T));
        }
        return at;
    }

    uint32_t String(const std::string &text) {
        Align(4);
        const uint32_t at = Vector(std::vector<char>(text.begin(), text.end()));
        bytes.push_back(0);
        return at;
    }

    // A vector of `count` offsets, to be set with LinkAt.
    uint32_t Offsets(uint32_t count) {
        return Vector(std::vector<uint32_t>(count));
    }
    void LinkAt(uint32_t vector, uint32_t i, uint32_t target) {
        const uint32_t at = vector + 4 + 4 * i;
        Put<uint32_t>(at, target - at);
    }

    template <typename T>
    void Put(uint32_t at, T value) {
        memcpy(&bytes[at], &value, sizeof(T));
    }

    void Align(uint32_t alignment) {
        while (bytes.size() % alignment != 0) {
            bytes.push_back(0);
        }
    }

    std::vector<uint8_t> bytes;
};

struct TensorSpec {
    std::vector<int32_t> shape;
    uint8_t type = 9;          // INT8
    std::vector<int8_t> data;  // constant when not empty
};

struct OperatorSpec {
    int32_t builtin = 32;  // CUSTOM
    std::string custom_code;
    std::vector<int32_t> inputs, outputs;
};

struct ModelSpec {
    std::vector<TensorSpec> tensors;
    std::vector<OperatorSpec> operators;
    std::vector<int32_t> inputs, outputs;
    std::vector<int32_t> memory_plan;  // as TFLM's metadata has it; none when empty

    std::vector<uint8_t> Build() const {
        Flat flat;
        const uint32_t model = flat.Table();
        flat.Put<uint32_t>(0, model);
        flat.Set<uint32_t>(model, 0, 3);
        const uint32_t count = static_cast<uint32_t>(operators.size());

        const uint32_t codes = flat.Offsets(count);
        flat.Link(model, 1, codes);
        for (uint32_t i = 0; i < count; i++) {
            const OperatorSpec &spec = operators[i];
            const uint32_t code = flat.Table();
            flat.LinkAt(codes, i, code);
            // Small numbers as old writers did, in the deprecated field only.
            flat.Set<int8_t>(code, 0, static_cast<int8_t>(spec.builtin < 127 ? spec.builtin : 127));
            if (spec.builtin >= 127) {
                flat.Set<int32_t>(code, 3, spec.builtin);
            }
            if (!spec.custom_code.empty()) {
                flat.Link(code, 1, flat.String(spec.custom_code));
            }
        }

        const uint32_t subgraphs = flat.Offsets(1);
        flat.Link(model, 2, subgraphs);
        const uint32_t graph = flat.Table();
        flat.LinkAt(subgraphs, 0, graph);
        const uint32_t tensor_count = static_cast<uint32_t>(tensors.size());
        const uint32_t tables = flat.Offsets(tensor_count);
        flat.Link(graph, 0, tables);
        for (uint32_t i = 0; i < tensor_count; i++) {
            const uint32_t tensor = flat.Table();
            flat.LinkAt(tables, i, tensor);
            flat.Link(tensor, 0, flat.Vector(tensors[i].shape));
            flat.Set<uint8_t>(tensor, 1, tensors[i].type);
            flat.Set<uint32_t>(tensor, 2, tensors[i].data.empty() ? 0 : i + 1);
            flat.Link(tensor, 3, flat.String("t" + std::to_string(i)));
        }
        flat.Link(graph, 1, flat.Vector(inputs));
        flat.Link(graph, 2, flat.Vector(outputs));
        const uint32_t list = flat.Offsets(count);
        flat.Link(graph, 3, list);
        for (uint32_t i = 0; i < count; i++) {
            const uint32_t op = flat.Table();
            flat.LinkAt(list, i, op);
            flat.Set<uint32_t>(op, 0, i);
            flat.Link(op, 1, flat.Vector(operators[i].inputs));
            flat.Link(op, 2, flat.Vector(operators[i].outputs));
        }

        const uint32_t planned = memory_plan.empty() ? 0 : 1;
        const uint32_t buffers = flat.Offsets(tensor_count + 1 + planned);
        flat.Link(model, 4, buffers);
        for (uint32_t i = 0; i <= tensor_count; i++) {
            const uint32_t buffer = flat.Table();
            flat.LinkAt(buffers, i, buffer);
            if (i > 0 && !tensors[i - 1].data.empty()) {
                flat.Link(buffer, 0, flat.Vector(tensors[i - 1].data, 16));
            }
        }
        if (planned != 0) {
            const uint32_t buffer = flat.Table();
            flat.LinkAt(buffers, tensor_count + 1, buffer);
            const uint8_t *words = reinterpret_cast<const uint8_t *>(memory_plan.data());
            flat.Link(buffer, 0,
                      flat.Vector(std::vector<uint8_t>(words, words + 4 * memory_plan.size()), 16));
            const uint32_t entries = flat.Offsets(1);
            flat.Link(model, 6, entries);
            const uint32_t entry = flat.Table();
            flat.LinkAt(entries, 0, entry);
            flat.Link(entry, 0, flat.String("OfflineMemoryAllocation"));
            flat.Set<uint32_t>(entry, 1, tensor_count + 1);
        }
        return flat.bytes;
    }
};

// A copy that ends where its allocation ends, so that a sanitizer sees each read beyond it.
class Exact {
   public:
    Exact(const uint8_t *data, size_t nbytes)
        : bytes_(
              static_cast<uint8_t *>(operator new(nbytes > 0 ? nbytes : 1, std::align_val_t(16)))) {
        if (nbytes > 0) {
            memcpy(bytes_, data, nbytes);
        }
    }
    ~Exact() {
        operator delete(bytes_, std::align_val_t(16));
    }
    Exact(const Exact &) = delete;
    Exact &operator=(const Exact &) = delete;
    uint8_t *data() {
        return bytes_;
    }

   private:
    uint8_t *bytes_;
};

}  // namespace wpconvert_test

#endif  // WPCONVERT_TESTS_MODEL_BUILDER_H_
