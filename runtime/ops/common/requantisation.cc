#include "requantisation.h"

#include <string.h>

namespace wpconvert {

namespace {

enum Activation { kNone = 0, kRelu = 1, kReluN1To1 = 2, kRelu6 = 3 };

// Of |bias scale − input scale · filter scale| / output scale; TFLM refuses more.
constexpr double kBiasScaleTolerance = 0.02;

bool IsPositive(float scale) {
    uint32_t bits;
    memcpy(&bits, &scale, sizeof bits);
    return bits > 0 && bits < 0x7f800000u;
}

// zero_point + value / scale, the quotient in float32 and rounded half away from zero. False beyond
// int32.
bool QuantiseBound(float value, const Tensor &output, int32_t *bound) {
    const float steps = value / output.scale;
    if (!(steps > -2147483648.0f && steps < 2147483648.0f)) {
        return false;
    }
    const double half = steps < 0 ? -0.5 : 0.5;
    const int64_t rounded =
        static_cast<int64_t>(static_cast<double>(steps) + half) + output.zero_point;
    *bound = static_cast<int32_t>(rounded < INT32_MIN   ? INT32_MIN
                                  : rounded > INT32_MAX ? INT32_MAX
                                                        : rounded);
    return true;
}

TfLiteStatus CheckFilterScales(PrepareContext &context, const RequantSource &source) {
    const Quantization &scales = source.weights.quantization;
    const uint32_t count = scales.count();
    const int32_t channels = source.weights.dims[source.channel_axis];
    if (count != 1 &&
        (static_cast<int64_t>(count) != channels || scales.dimension() != source.channel_axis)) {
        return context.Fail(
            "weights have %d scales along dimension %d, expected 1, or %d along dimension %d",
            count, scales.dimension(), channels, source.channel_axis);
    }
    for (uint32_t i = 0; i < count; ++i) {
        if (!IsPositive(scales.scale(i))) {
            return context.Fail("scale %d of the weights is not a positive finite number", i);
        }
    }
    for (uint32_t i = 0; i < scales.zero_point_count(); ++i) {
        if (scales.zero_point(i) != 0) {
            return context.Fail("weights have zero point %d, expected 0", scales.zero_point(i));
        }
    }
    return kTfLiteOk;
}

TfLiteStatus CheckBias(PrepareContext &context, const RequantSource &source) {
    const Tensor &bias = source.bias;
    const int32_t channels = source.weights.dims[source.channel_axis];
    if (bias.type != TensorType::kInt32 || static_cast<int64_t>(bias.elements()) != channels) {
        return context.Fail("the bias is %s with %d elements, expected INT32 with %d",
                            TypeName(bias.type), bias.elements(), channels);
    }
    if (source.fully_connected && source.weights.quantization.count() == 1) {
        const double own = bias.quantization.count() == 0 ? 0.0 : static_cast<double>(bias.scale);
        const double expected =
            static_cast<double>(source.x.scale) * static_cast<double>(source.weights.scale);
        const double steps = (expected - own) / static_cast<double>(source.y.scale);
        if (!(steps <= kBiasScaleTolerance && steps >= -kBiasScaleTolerance)) {
            return context.Fail("the scale of the bias is not input scale times filter scale");
        }
    }
    return kTfLiteOk;
}

double RealMultiplier(const RequantSource &source, float filter_scale) {
    return static_cast<double>(source.x.scale) * static_cast<double>(filter_scale) /
           static_cast<double>(source.y.scale);
}

// bias − zero point · Σ w of every output channel, wrapping.
void FoldBias(const RequantSource &source, uint32_t channels, int32_t *folded) {
    const int32_t *const bias = source.bias.present ? source.bias.as<int32_t>() : nullptr;
    const int8_t *const weights = source.weights.as<int8_t>();
    const uint32_t size = source.weights.elements();
    const uint32_t zero_point = static_cast<uint32_t>(source.x.zero_point);
    // Weights of a channel are contiguous if it is the first dimension, and `channels` apart if it
    // is the last.
    const uint32_t step = source.channel_axis == 0 ? 1 : channels;
    const uint32_t next = source.channel_axis == 0 ? size / channels : 1;
    for (uint32_t c = 0; c < channels; ++c) {
        uint32_t sum = 0;  // wraps, as the device's accumulators do
        for (uint32_t i = 0; i < size / channels; ++i) {
            sum += static_cast<uint32_t>(static_cast<int32_t>(weights[c * next + i * step]));
        }
        const uint32_t own = bias == nullptr ? 0 : static_cast<uint32_t>(bias[c]);
        folded[c] = static_cast<int32_t>(own - zero_point * sum);
    }
}

}  // namespace

bool QuantiseMultiplier(double real, int32_t *multiplier, int32_t *shift) {
    uint64_t bits;
    memcpy(&bits, &real, sizeof bits);
    const int32_t exponent = static_cast<int32_t>(bits >> 52);
    *multiplier = 0;
    *shift = 0;
    if (exponent >= 0x7ff) {
        return bits == 0x8000000000000000u;
    }
    // 53 bits to 31, halves up. Subnormal reals are far below the smallest multiplier.
    const uint64_t fraction = (bits & 0xfffffffffffffu) | 0x10000000000000u;
    uint32_t rounded = static_cast<uint32_t>((fraction + (1u << 21)) >> 22);
    int32_t power = exponent - 1022;
    if (rounded == 0x80000000u) {
        rounded = 0x40000000u;
        ++power;
    }
    if (power > 30) {
        return false;
    }
    if (power >= -31) {
        *multiplier = static_cast<int32_t>(rounded);
        *shift = power;
    }
    return true;
}

TfLiteStatus CheckActivation(PrepareContext &context, const Tensor &tensor) {
    if (!tensor.present || tensor.type != TensorType::kInt8) {
        return context.Fail("tensor %d is %s, expected INT8", tensor.index, TypeName(tensor.type));
    }
    if (tensor.quantization.count() != 1 || !IsPositive(tensor.scale)) {
        return context.Fail("tensor %d has no positive finite scale", tensor.index);
    }
    if (tensor.zero_point < -128 || tensor.zero_point > 127) {
        return context.Fail("tensor %d has zero point %d, not in the range of INT8", tensor.index,
                            tensor.zero_point);
    }
    return kTfLiteOk;
}

TfLiteStatus ActivationRange(PrepareContext &context, int32_t activation, const Tensor &output,
                             int8_t *low, int8_t *high) {
    int32_t lower = -128, upper = 127, bound;
    if (activation == kRelu || activation == kRelu6) {
        lower = output.zero_point;
    } else if (activation == kReluN1To1) {
        if (!QuantiseBound(-1.0f, output, &bound)) {
            return context.Fail("the scale of the output is too small for its activation");
        }
        lower = bound > lower ? bound : lower;
    } else if (activation != kNone) {
        return context.Fail("fused activation %d is not supported", activation);
    }
    if (activation == kRelu6 || activation == kReluN1To1) {
        if (!QuantiseBound(activation == kRelu6 ? 6.0f : 1.0f, output, &bound)) {
            return context.Fail("the scale of the output is too small for its activation");
        }
        upper = bound < upper ? bound : upper;
    }
    *low = static_cast<int8_t>(lower);
    *high = static_cast<int8_t>(upper);
    return kTfLiteOk;
}

TfLiteStatus PrepareRequant(PrepareContext &context, const RequantSource &source,
                            wpk_requant *requant) {
    if (CheckActivation(context, source.x) != kTfLiteOk ||
        CheckActivation(context, source.y) != kTfLiteOk ||
        CheckFilterScales(context, source) != kTfLiteOk ||
        (source.bias.present && CheckBias(context, source) != kTfLiteOk) ||
        ActivationRange(context, source.activation, source.y, &requant->activation_min,
                        &requant->activation_max) != kTfLiteOk) {
        return kTfLiteError;
    }
    const uint32_t channels = static_cast<uint32_t>(source.weights.dims[source.channel_axis]);
    requant->channels = channels;
    requant->multipliers = source.weights.quantization.count();
    requant->input_zero_point = static_cast<int8_t>(source.x.zero_point);
    requant->output_zero_point = static_cast<int8_t>(source.y.zero_point);
    requant->input_offset = source.fold ? 0 : requant->input_zero_point;
    requant->bias =
        source.bias.present && source.bias.is_constant ? source.bias.as<int32_t>() : nullptr;
    const uint32_t multipliers = requant->multipliers;
    int32_t *const multiplier = static_cast<int32_t *>(
        context.AllocatePersistent(multipliers * sizeof(int32_t), alignof(int32_t)));
    int8_t *const shift = static_cast<int8_t *>(context.AllocatePersistent(multipliers, 1));
    if (multiplier == nullptr || shift == nullptr) {
        return kTfLiteError;
    }
    for (uint32_t i = 0; i < multipliers; ++i) {
        int32_t exponent;
        if (!QuantiseMultiplier(RealMultiplier(source, source.weights.quantization.scale(i)),
                                &multiplier[i], &exponent)) {
            return context.Fail("the multiplier of channel %d is too large", i);
        }
        shift[i] = static_cast<int8_t>(exponent);
    }
    requant->multiplier = multiplier;
    requant->shift = shift;
    if (source.fold) {
        int32_t *const folded = static_cast<int32_t *>(
            context.AllocatePersistent(channels * sizeof(int32_t), alignof(int32_t)));
        if (folded == nullptr) {
            return kTfLiteError;
        }
        FoldBias(source, channels, folded);
        requant->bias = folded;
    }
    return kTfLiteOk;
}

}  // namespace wpconvert
