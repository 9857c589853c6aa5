#include "tiles.h"

#include <algorithm>
#include <limits>

namespace wpconvert::native {

namespace {

int64_t groups_of(int64_t count, int64_t size) {
    return (count + size - 1) / size;
}

// What one array does with its part of a tile's filters. pixels: outputs that a multiplier makes at
// a time; digits: of a weight, each in a cycle of its own; inputs: activations of the tile, taps:
// weights of a filter.
struct Part {
    int64_t filters, pixels, digits;
};

std::array<int64_t, 3> words_of(const Array &array, const Part &part, int64_t outputs,
                                int64_t inputs, int64_t taps) {
    return {groups_of(outputs * inputs, part.pixels * array.cols),
            groups_of(taps * part.filters * part.digits, array.rows),
            groups_of(part.filters * outputs, part.pixels * array.cols)};
}

int64_t cycles_of(const Array &array, const Part &part, int64_t outputs, int64_t taps) {
    return taps * part.digits * groups_of(outputs, part.pixels * array.rows) *
           groups_of(part.filters, array.cols);
}

// The most outputs of which inputs and results take fewer words than the buffers have; none where
// the weights do not.
int64_t most_outputs(const Array &array, const Part &part, int64_t inputs, int64_t taps) {
    if (groups_of(taps * part.filters * part.digits, array.rows) >= array.depth[1]) {
        return 0;
    }
    const int64_t lanes = part.pixels * array.cols;
    const int64_t most = (array.depth[0] - 1) * lanes / inputs;
    return part.filters == 0 ? most : std::min(most, (array.depth[2] - 1) * lanes / part.filters);
}

}  // namespace

std::optional<Tile> best_tile(const Fabric &fabric, const Convolution &layer,
                              const Candidates &candidates) {
    constexpr int64_t kDspPixels = 2;
    constexpr int64_t kDigitsPerByte = 2;
    Tile best = {};
    best.cycles = std::numeric_limits<int64_t>::max();
    const int64_t area = layer.kernel_h * layer.kernel_w;
    const int64_t pixels = layer.out_h * layer.out_w;
    // Windows of neighbours overlap, so that all outputs together see this at least of a plane.
    const int64_t seen = pixels * std::min(layer.kernel_h, layer.stride_h) *
                         std::min(layer.kernel_w, layer.stride_w);
    for (const Split &split : candidates.splits) {
        for (int64_t lut_filters = split.first; lut_filters < split.last; ++lut_filters) {
            const Part lut = {lut_filters, 1, layer.digits};
            const Part dsp = {split.filters - lut_filters, kDspPixels, 1};
            const int64_t filter_tiles = groups_of(layer.filters, split.filters);
            // What all tiles compute, of as many taps: no size of theirs makes it less.
            const auto least_compute = [&](int64_t taps) {
                return filter_tiles * std::max(cycles_of(fabric.lut, lut, pixels, taps),
                                               cycles_of(fabric.dsp, dsp, pixels, taps));
            };
            if (least_compute(layer.channels * area) >= best.cycles) {
                continue;
            }
            for (const int64_t channels : candidates.channels) {
                const int64_t taps = channels * area;
                const int64_t planes = layer.depthwise ? split.filters : channels;
                const int64_t channel_tiles = groups_of(layer.channels, channels);
                const int64_t tiles = filter_tiles * channel_tiles;
                const int64_t weights =
                    groups_of(lut_filters * layer.digits * taps, kDigitsPerByte) +
                    dsp.filters * taps;
                const int64_t most = std::min(most_outputs(fabric.lut, lut, planes * area, taps),
                                              most_outputs(fabric.dsp, dsp, planes * area, taps));
                if (most < 1) {
                    continue;
                }
                const int64_t least_load =
                    std::max(groups_of(pixels, most) * groups_of(weights, fabric.bandwidth),
                             groups_of(planes * seen, fabric.bandwidth));
                const int64_t least_store = groups_of(split.filters * pixels, fabric.bandwidth);
                if (std::max(channel_tiles * least_compute(taps),
                             tiles * std::max(least_load, least_store)) >= best.cycles) {
                    continue;
                }
                for (const auto &[height, width] : candidates.outputs) {
                    const int64_t outputs = height * width;
                    if (outputs > most) {
                        continue;
                    }
                    const auto lut_words = words_of(fabric.lut, lut, outputs, planes * area, taps);
                    const auto dsp_words = words_of(fabric.dsp, dsp, outputs, planes * area, taps);
                    const int64_t compute = std::max(cycles_of(fabric.lut, lut, outputs, taps),
                                                     cycles_of(fabric.dsp, dsp, outputs, taps));
                    const int64_t activations = planes *
                                                ((height - 1) * layer.stride_h + layer.kernel_h) *
                                                ((width - 1) * layer.stride_w + layer.kernel_w);
                    const int64_t load =
                        groups_of(std::max(weights, activations), fabric.bandwidth);
                    const int64_t store = groups_of(split.filters * outputs, fabric.bandwidth);
                    const int64_t cycles = tiles * groups_of(layer.out_h, height) *
                                               groups_of(layer.out_w, width) *
                                               std::max({compute, load, store}) +
                                           load + store;
                    if (cycles < best.cycles) {
                        best = {cycles,  split.filters, lut_filters, channels,  height,   width,
                                compute, load,          store,       lut_words, dsp_words};
                    }
                }
            }
        }
    }
    if (best.filters == 0) {
        return std::nullopt;
    }
    return best;
}

}  // namespace wpconvert::native
