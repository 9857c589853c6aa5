// The best tiling of a layer on an accelerator that multiplies in two arrays at once: one of
// look-up tables, which adds shifted activations, a signed digit of a weight at a time, and one of
// DSP blocks, which multiply two activations at a time.
#ifndef WPCONVERT_NATIVE_TILES_H_
#define WPCONVERT_NATIVE_TILES_H_

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace wpconvert::native {

// rows and columns of multipliers; words that buffers of inputs, weights and outputs hold.
struct Array {
    int64_t rows, cols;
    std::array<int64_t, 3> depth;
};

// bandwidth: bytes a cycle.
struct Fabric {
    int64_t bandwidth;
    Array lut, dsp;
};

// A convolution; digits: of a weight in the array of look-up tables. A depthwise one has as many
// filters as channels, and `channels` is 1.
struct Convolution {
    int64_t out_h, out_w, kernel_h, kernel_w, stride_h, stride_w, channels, filters, digits;
    bool depthwise;
};

// So many filters in a tile, of which first…last - 1 can be in the array of look-up tables.
struct Split {
    int64_t filters, first, last;
};

// What to try, in this order; of equal tiles the first one is taken. outputs: height and width.
struct Candidates {
    std::vector<Split> splits;
    std::vector<int64_t> channels;
    std::vector<std::array<int64_t, 2>> outputs;
};

// cycles: of the whole layer; the others of one tile. words: in the buffers of the two arrays.
struct Tile {
    int64_t cycles, filters, lut_filters, channels, height, width, compute, load, store;
    std::array<int64_t, 3> lut_words, dsp_words;
};

// The tile with the fewest cycles; none where nothing fits the buffers. All sizes are positive, and
// so small that their products fit 62 bits.
std::optional<Tile> best_tile(const Fabric &fabric, const Convolution &layer,
                              const Candidates &candidates);

}  // namespace wpconvert::native

#endif  // WPCONVERT_NATIVE_TILES_H_
