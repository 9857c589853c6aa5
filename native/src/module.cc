// The Python module wpconvert._native; its interface is described in
// converter/wpconvert/_native.pyi.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <array>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "cores.h"
#include "layer_plan.h"
#include "session.h"
#include "tiles.h"

namespace nb = nanobind;

namespace {

using wpconvert::native::ElementKind;
using wpconvert::native::Error;
using wpconvert::native::Port;
using wpconvert::native::Result;
using wpconvert::native::Session;
using wpconvert::native::WeightBlob;

using Input = nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu>;
using Output = nb::ndarray<nb::numpy>;

nb::dlpack::dtype dtype_of(ElementKind kind, uint8_t nbits) {
    nb::dlpack::dtype_code code = nb::dlpack::dtype_code::Float;
    switch (kind) {
        case ElementKind::kSigned:
            code = nb::dlpack::dtype_code::Int;
            break;
        case ElementKind::kUnsigned:
            code = nb::dlpack::dtype_code::UInt;
            break;
        case ElementKind::kBool:
            code = nb::dlpack::dtype_code::Bool;
            break;
        case ElementKind::kFloat:
            break;
    }
    return {static_cast<uint8_t>(code), nbits, 1};
}

nb::dlpack::dtype dtype_of(const Port &port) {
    return dtype_of(port.kind, port.element_nbits);
}

std::string dtype_name(const nb::dlpack::dtype &type) {
    switch (static_cast<nb::dlpack::dtype_code>(type.code)) {
        case nb::dlpack::dtype_code::Int:
            return "int" + std::to_string(type.bits);
        case nb::dlpack::dtype_code::UInt:
            return "uint" + std::to_string(type.bits);
        case nb::dlpack::dtype_code::Float:
            return "float" + std::to_string(type.bits);
        case nb::dlpack::dtype_code::Bool:
            return "bool";
        default:
            return "another type";
    }
}

std::string shape_text(const size_t *dims, size_t rank) {
    std::string text = "[";
    for (size_t i = 0; i < rank; ++i) {
        text += (i == 0 ? "" : ", ") + std::to_string(dims[i]);
    }
    return text + "]";
}

using Bytes = std::unique_ptr<uint8_t[]>;

Bytes copy_of(const void *data, size_t nbytes) {
    Bytes copy(new uint8_t[nbytes]);
    if (nbytes != 0) {
        std::memcpy(copy.get(), data, nbytes);
    }
    return copy;
}

// An array that owns the bytes.
Output array_of(Bytes bytes, const std::vector<size_t> &shape, nb::dlpack::dtype type) {
    uint8_t *raw = bytes.release();
    const nb::capsule owner(raw, [](void *p) noexcept { delete[] static_cast<uint8_t *>(p); });
    return Output(raw, shape.size(), shape.data(), owner, nullptr, type);
}

nb::list details_of(const std::vector<Port> &ports) {
    nb::list details;
    for (const Port &port : ports) {
        nb::list shape;
        for (const size_t dim : port.shape) {
            shape.append(dim);
        }
        details.append(nb::make_tuple(nb::tuple(shape), dtype_name(dtype_of(port))));
    }
    return details;
}

class Interpreter {
   public:
    Interpreter(const nb::bytes &model, std::optional<size_t> arena_nbytes) : model_(model) {
        if (arena_nbytes.has_value() && *arena_nbytes == 0) {
            throw std::invalid_argument("an arena of 0 bytes");
        }
        const auto *data = static_cast<const uint8_t *>(model.data());
        const size_t nbytes = model.size();
        const nb::gil_scoped_release unlocked;
        session_ = std::make_unique<Session>(data, nbytes, arena_nbytes.value_or(0));
    }

    const Session &session() const {
        return *session_;
    }

    std::vector<Output> run(const std::vector<Input> &inputs) {
        check(inputs);
        std::vector<Bytes> values;
        {
            const nb::gil_scoped_release unlocked;
            const std::lock_guard<std::mutex> guard(running_);
            set(inputs);
            session_->invoke();
            values = outputs();
        }
        return arrays_of(std::move(values));
    }

    std::pair<std::vector<Output>, nb::list> trace(const std::vector<Input> &inputs) {
        check(inputs);
        std::vector<Bytes> values;
        std::vector<Result> inner;
        {
            const nb::gil_scoped_release unlocked;
            const std::lock_guard<std::mutex> guard(running_);
            set(inputs);
            inner = session_->trace();
            values = outputs();
        }
        nb::list results;
        for (const Result &result : inner) {
            results.append(nb::make_tuple(
                result.node, result.position,
                array_of(copy_of(result.bytes.data(), result.bytes.size()), result.shape,
                         dtype_of(result.kind, result.element_nbits))));
        }
        return {arrays_of(std::move(values)), std::move(results)};
    }

   private:
    void set(const std::vector<Input> &inputs) {
        for (size_t i = 0; i < inputs.size(); ++i) {
            const Port &port = session_->inputs()[i];
            std::memcpy(port.data, inputs[i].data(), port.nbytes);
        }
    }

    std::vector<Bytes> outputs() const {
        std::vector<Bytes> values;
        for (const Port &port : session_->outputs()) {
            values.push_back(copy_of(port.data, port.nbytes));
        }
        return values;
    }

    std::vector<Output> arrays_of(std::vector<Bytes> values) const {
        std::vector<Output> results;
        for (size_t i = 0; i < values.size(); ++i) {
            const Port &port = session_->outputs()[i];
            results.push_back(array_of(std::move(values[i]), port.shape, dtype_of(port)));
        }
        return results;
    }

    void check(const std::vector<Input> &inputs) const {
        const std::vector<Port> &ports = session_->inputs();
        if (inputs.size() != ports.size()) {
            throw std::invalid_argument(std::to_string(inputs.size()) +
                                        " inputs given, the model has " +
                                        std::to_string(ports.size()));
        }
        for (size_t i = 0; i < ports.size(); ++i) {
            std::vector<size_t> shape;
            for (size_t axis = 0; axis < inputs[i].ndim(); ++axis) {
                shape.push_back(inputs[i].shape(axis));
            }
            const nb::dlpack::dtype wanted = dtype_of(ports[i]);
            if (shape != ports[i].shape || inputs[i].dtype() != wanted) {
                throw std::invalid_argument(
                    "input " + std::to_string(i) + ": expected " + dtype_name(wanted) + " " +
                    shape_text(ports[i].shape.data(), ports[i].shape.size()) + ", got " +
                    dtype_name(inputs[i].dtype()) + " " + shape_text(shape.data(), shape.size()));
            }
        }
    }

    // The session works on its bytes.
    nb::bytes model_;
    std::unique_ptr<Session> session_;
    std::mutex running_;
};

using Pool = std::optional<nb::bytes>;

const uint8_t *data_of(const nb::bytes &bytes) {
    return static_cast<const uint8_t *>(bytes.data());
}

WeightBlob blob_of(const nb::bytes &blob, const Pool &pool) {
    return {data_of(blob), blob.size(), pool.has_value() ? data_of(*pool) : nullptr,
            pool.has_value() ? pool->size() : 0};
}

Output decode(const nb::bytes &bytes, const Pool &pool) {
    const WeightBlob blob = blob_of(bytes, pool);
    const std::vector<int8_t> values = blob.decode(0, blob.rows(), blob.rows());
    return array_of(copy_of(values.data(), values.size()), blob.shape(), nb::dtype<int8_t>());
}

Output decode_rows(const nb::bytes &bytes, size_t first, size_t last, size_t step,
                   const Pool &pool) {
    const WeightBlob blob = blob_of(bytes, pool);
    const std::vector<int8_t> values = blob.decode(first, last, step);
    return array_of(copy_of(values.data(), values.size()), {last - first, blob.cols()},
                    nb::dtype<int8_t>());
}

std::pair<size_t, std::vector<std::pair<uint32_t, uint32_t>>> lower_arena(const nb::bytes &model,
                                                                          const std::string &core,
                                                                          bool spare) {
    const wpconvert::native::LowerArena lower = wpconvert::native::lower_arena(
        static_cast<const uint8_t *>(model.data()), model.size(), core, spare);
    return {lower.nbytes, lower.scratch};
}

nb::dict layer_plan(const std::string &core, bool depthwise, const std::array<int32_t, 16> &shape,
                    uint32_t spare, const std::string &codec, uint32_t elements,
                    uint32_t table_nbytes) {
    const auto [batch, in_h, in_w, in_c, out_h, out_w, out_c, kernel_h, kernel_w, kernel_c,
                stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left] = shape;
    const wpk_conv_shape layer = {batch,      in_h,       in_w,     in_c,     out_h,    out_w,
                                  out_c,      kernel_h,   kernel_w, kernel_c, stride_h, stride_w,
                                  dilation_h, dilation_w, pad_top,  pad_left};
    const wpn_layer_plan plan = wpconvert::native::layer_plan(core, depthwise, layer, spare,
                                                              {codec, elements, table_nbytes});
    nb::dict found;
    found["is_3x3"] = plan.is_3x3;
    found["vector"] = plan.vector;
    found["in_place"] = plan.in_place;
    found["pointwise"] = plan.pointwise;
    found["strip"] = plan.strip;
    found["form"] = plan.form;
    found["blocks"] = plan.blocks;
    found["tile_pixels"] = plan.tile_pixels;
    found["windows"] = plan.windows;
    found["nbytes"] = plan.nbytes;
    return found;
}

wpconvert::native::Array array_from(const std::array<int64_t, 5> &numbers) {
    return {numbers[0], numbers[1], {numbers[2], numbers[3], numbers[4]}};
}

std::optional<std::array<int64_t, 15>> best_tile(
    int64_t bandwidth, const std::array<int64_t, 5> &lut, const std::array<int64_t, 5> &dsp,
    const std::array<int64_t, 9> &layer, bool depthwise,
    const std::vector<std::array<int64_t, 3>> &splits, const std::vector<int64_t> &channels,
    const std::vector<std::array<int64_t, 2>> &outputs) {
    const auto [out_h, out_w, kernel_h, kernel_w, stride_h, stride_w, depth, filters, digits] =
        layer;
    wpconvert::native::Candidates candidates = {{}, channels, outputs};
    for (const auto &[count, first, last] : splits) {
        candidates.splits.push_back({count, first, last});
    }
    const auto tile = wpconvert::native::best_tile(
        {bandwidth, array_from(lut), array_from(dsp)},
        {out_h, out_w, kernel_h, kernel_w, stride_h, stride_w, depth, filters, digits, depthwise},
        candidates);
    if (!tile) {
        return std::nullopt;
    }
    return std::array<int64_t, 15>{tile->cycles,       tile->filters,      tile->lut_filters,
                                   tile->channels,     tile->height,       tile->width,
                                   tile->compute,      tile->load,         tile->store,
                                   tile->lut_words[0], tile->lut_words[1], tile->lut_words[2],
                                   tile->dsp_words[0], tile->dsp_words[1], tile->dsp_words[2]};
}

}  // namespace

NB_MODULE(_native, m) {
    nb::exception<Error>(m, "Error");
    nb::class_<Interpreter>(m, "Interpreter")
        .def(nb::init<const nb::bytes &, std::optional<size_t>>(), nb::arg("model"),
             nb::arg("arena_nbytes") = nb::none())
        .def_prop_ro("inputs",
                     [](const Interpreter &self) { return details_of(self.session().inputs()); })
        .def_prop_ro("outputs",
                     [](const Interpreter &self) { return details_of(self.session().outputs()); })
        .def_prop_ro("arena_used",
                     [](const Interpreter &self) { return self.session().arena_used(); })
        .def_prop_ro("arena_nbytes",
                     [](const Interpreter &self) { return self.session().arena_nbytes(); })
        .def("run", &Interpreter::run, nb::arg("inputs"))
        .def("trace", &Interpreter::trace, nb::arg("inputs"));
    m.def("decode", &decode, nb::arg("blob"), nb::arg("pool") = nb::none());
    m.def("decode_rows", &decode_rows, nb::arg("blob"), nb::arg("first"), nb::arg("last"),
          nb::arg("step"), nb::arg("pool") = nb::none());
    m.def("lower_arena", &lower_arena, nb::arg("model"), nb::arg("core"), nb::arg("spare") = true);
    m.def("layer_plan", &layer_plan, nb::arg("core"), nb::arg("depthwise"), nb::arg("shape"),
          nb::arg("spare"), nb::arg("codec"), nb::arg("elements"), nb::arg("table_nbytes"));
    m.def("best_tile", &best_tile, nb::arg("bandwidth"), nb::arg("lut"), nb::arg("dsp"),
          nb::arg("layer"), nb::arg("depthwise"), nb::arg("splits"), nb::arg("channels"),
          nb::arg("outputs"), nb::call_guard<nb::gil_scoped_release>());
    m.def("cores", &wpconvert::native::core_names);
    m.def("operators", &wpconvert::native::operator_names);
    m.def("codecs", &wpconvert::native::codec_names);
}
