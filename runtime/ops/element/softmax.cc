// SOFTMAX on int8 along the last axis.
#include "../common/checks.h"
#include "../common/requantisation.h"
#include "wpconvert/operators.h"

extern "C" {
#include "wpk/softmax.h"
}

namespace wpconvert {

namespace {

enum { kBeta = 0 };  // slot of SoftmaxOptions in the schema

struct Params {
    wpk_softmax softmax;
    int scratch;
};

// Differences of inputs become numbers with 5 integer bits; radius is the largest that still fits.
bool Scale(PrepareContext &context, const Tensor &x, float beta, wpk_softmax *softmax) {
    constexpr int kFractionalBits = 26;
    constexpr double kLargest = 2147483647.0;
    if (!(beta > 0.0f && beta < __builtin_inff())) {
        context.Fail("beta must be a positive number");
        return false;
    }
    double real = static_cast<double>(beta) * static_cast<double>(x.scale) * (1 << kFractionalBits);
    real = real < kLargest ? real : kLargest;
    // Half of it, for the largest rounds up to a shift of 31.
    if (!(real > 1.0) || !QuantiseMultiplier(real / 2, &softmax->multiplier, &softmax->shift)) {
        context.Fail("input scale times beta is too small");
        return false;
    }
    ++softmax->shift;
    softmax->radius = (31 << kFractionalBits) >> softmax->shift;
    return true;
}

TfLiteStatus Prepare(PrepareContext &context) {
    Tensor x, y;
    FlatTable options;
    if (!CheckUnary(context, &x, &y) || !context.Options(OptionsType::kSoftmax, &options)) {
        return kTfLiteError;
    }
    if (y.scale != 1.0f / 256.0f || y.zero_point != -128) {
        return context.Fail("the output must have scale 1/256 and zero point -128");
    }
    if (x.rank == 0) {
        return context.Fail("the input is a scalar");
    }
    Params *const params = context.AllocateUserData<Params>();
    if (params == nullptr || !Scale(context, x, options.F32(kBeta), &params->softmax)) {
        return kTfLiteError;
    }
    params->softmax.depth = x.dims[x.rank - 1];
    params->softmax.rows = static_cast<int32_t>(x.elements()) / params->softmax.depth;
    if (params->softmax.depth > WPK_SOFTMAX_MAX_DEPTH) {
        return context.Fail("%d classes, supported are %d", params->softmax.depth,
                            WPK_SOFTMAX_MAX_DEPTH);
    }
    params->scratch = context.RequestScratch(wpk_softmax_scratch_nbytes(&params->softmax));
    return params->scratch < 0 ? kTfLiteError : kTfLiteOk;
}

TfLiteStatus Invoke(InvokeContext &context) {
    const Params *const params = context.user_data<Params>();
    wpk_softmax_s8(&params->softmax, context.input<int8_t>(0), context.output<int8_t>(0),
                   context.scratch(params->scratch));
    return kTfLiteOk;
}

constexpr Registration kRegistration = {"SOFTMAX", Prepare, Invoke, kOperatorNone};

}  // namespace

const Registration *Register_SOFTMAX() {
    return &kRegistration;
}

}  // namespace wpconvert
