#include "checks.h"

#include "requantisation.h"

namespace wpconvert {

bool CheckArity(PrepareContext &context, int low, int high, int outputs) {
    const int inputs = context.inputs_size();
    if (inputs < low || inputs > high || context.outputs_size() != outputs) {
        context.Fail("%d inputs and %d outputs, expected %d to %d and %d", inputs,
                     context.outputs_size(), low, high, outputs);
        return false;
    }
    for (int i = 0; i < low; ++i) {
        if (!context.input(i).present) {
            context.Fail("input %d is missing", i);
            return false;
        }
    }
    return true;
}

bool CheckShape(PrepareContext &context, const Tensor &tensor, const int32_t *dims, int rank) {
    bool same = tensor.rank == rank;
    for (int i = 0; same && i < rank; ++i) {
        same = tensor.dims[i] == dims[i];
    }
    if (!same) {
        context.Fail("tensor %d does not have the shape of the result", tensor.index);
    }
    return same;
}

bool CheckUnary(PrepareContext &context, Tensor *x, Tensor *y) {
    if (!CheckArity(context, 1, 1, 1)) {
        return false;
    }
    *x = context.input(0);
    *y = context.output(0);
    return CheckActivation(context, *x) == kTfLiteOk && CheckActivation(context, *y) == kTfLiteOk &&
           CheckShape(context, *y, x->dims, x->rank);
}

bool CheckCopy(PrepareContext &context, const Tensor &x, const Tensor &y) {
    if (x.type != TensorType::kInt8 && x.type != TensorType::kInt32 &&
        x.type != TensorType::kFloat32) {
        context.Fail("tensor %d is %s, supported are INT8, INT32 and FLOAT32", x.index,
                     TypeName(x.type));
        return false;
    }
    if (x.type != y.type) {
        context.Fail("tensor %d is %s but tensor %d is %s", x.index, TypeName(x.type), y.index,
                     TypeName(y.type));
        return false;
    }
    return true;
}

bool CheckSameQuantization(PrepareContext &context, const Tensor &x, const Tensor &y) {
    if (x.type != TensorType::kInt8) {
        return true;
    }
    if (CheckActivation(context, x) != kTfLiteOk || CheckActivation(context, y) != kTfLiteOk) {
        return false;
    }
    if (x.scale != y.scale || x.zero_point != y.zero_point) {
        context.Fail("tensors %d and %d differ in scale or zero point", x.index, y.index);
        return false;
    }
    return true;
}

bool CheckAxis(PrepareContext &context, int32_t axis, int rank, int *positive) {
    if (axis < -rank || axis >= rank) {
        context.Fail("axis %d is outside %d dimensions", axis, rank);
        return false;
    }
    *positive = static_cast<int>(axis < 0 ? axis + rank : axis);
    return true;
}

bool ReadIntegers(PrepareContext &context, int position, int capacity, int32_t *values,
                  int *count) {
    const Tensor tensor = context.input(position);
    if (!tensor.present || tensor.type != TensorType::kInt32 || !tensor.is_constant) {
        context.Fail("input %d must be a constant INT32 tensor", position);
        return false;
    }
    const uint32_t elements = tensor.elements();
    if (elements > static_cast<uint32_t>(capacity)) {
        context.Fail("input %d has %d elements, expected at most %d", position, elements, capacity);
        return false;
    }
    *count = static_cast<int>(elements);
    const int32_t *const data = tensor.as<int32_t>();
    for (int i = 0; i < *count; ++i) {
        values[i] = data[i];
    }
    return true;
}

uint32_t Product(const Tensor &tensor, int first, int end) {
    uint32_t product = 1;
    for (int i = first; i < end; ++i) {
        product *= static_cast<uint32_t>(tensor.dims[i]);
    }
    return product;
}

}  // namespace wpconvert
