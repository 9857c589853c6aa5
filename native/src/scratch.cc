#include "scratch.h"

#include "wpk/fully_connected.h"

namespace {

constexpr const wpn_planning *kCores[] = {&wpn_planning_m55, &wpn_planning_m4, &wpn_planning_m3};

const wpn_planning kHost = {"host",
                            wpk_conv_scratch_nbytes,
                            wpk_depthwise_scratch_nbytes,
                            wpk_fully_connected_scratch_nbytes,
                            wpk_dequantise_scratch_nbytes,
                            nullptr};

thread_local const wpn_planning *current = &kHost;
thread_local bool use_spare = true;

wpk_conv_shape planned_for(const wpk_conv_shape *shape) {
    wpk_conv_shape result = *shape;
    result.spare = use_spare ? shape->spare : 0;
    return result;
}

}  // namespace

extern "C" {

uint32_t wpn_conv_scratch_nbytes(const wpk_conv_shape *shape, const wpk_weights *weights) {
    const wpk_conv_shape planned = planned_for(shape);
    return current->conv(&planned, weights);
}

uint32_t wpn_depthwise_scratch_nbytes(const wpk_conv_shape *shape, const wpk_weights *weights) {
    const wpk_conv_shape planned = planned_for(shape);
    return current->depthwise(&planned, weights);
}

uint32_t wpn_fully_connected_scratch_nbytes(uint32_t batch, const wpk_weights *weights) {
    return current->fully_connected(batch, weights);
}

uint32_t wpn_dequantise_scratch_nbytes(uint32_t n) {
    return current->dequantise(n);
}

}  // extern "C"

namespace wpconvert::native {

std::vector<std::string> core_names() {
    std::vector<std::string> names;
    for (const wpn_planning *planning : kCores) {
        names.emplace_back(planning->core);
    }
    return names;
}

const wpn_planning *planning_of(const std::string &core) {
    for (const wpn_planning *planning : kCores) {
        if (core == planning->core) {
            return planning;
        }
    }
    return nullptr;
}

PlanningFor::PlanningFor(const wpn_planning *planning, bool spare) {
    current = planning;
    use_spare = spare;
}

PlanningFor::~PlanningFor() {
    current = &kHost;
    use_spare = true;
}

}  // namespace wpconvert::native
