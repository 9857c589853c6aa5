#include "scratch.h"

#include "wpk/fully_connected.h"

namespace {

constexpr const wpn_planning *kCores[] = {&wpn_planning_m55, &wpn_planning_m4, &wpn_planning_m3};

const wpn_planning kHost = {"host",
                            wpk_conv_plan,
                            wpk_depthwise_scratch_nbytes,
                            wpk_fully_connected_plan,
                            wpk_dequantise_scratch_nbytes,
                            nullptr};

thread_local const wpn_planning *current = &kHost;
thread_local bool use_spare = true;

}  // namespace

extern "C" {

uint32_t wpn_conv_plan(const wpk_conv_shape *shape, const wpk_weights *weights, uint32_t spare,
                       wpk_plan *plan) {
    return current->conv(shape, weights, use_spare ? spare : 0, plan);
}

uint32_t wpn_depthwise_scratch_nbytes(const wpk_conv_shape *shape, const wpk_weights *weights) {
    return current->depthwise(shape, weights);
}

uint32_t wpn_fully_connected_plan(uint32_t batch, const wpk_weights *weights, wpk_plan *plan) {
    return current->fully_connected(batch, weights, plan);
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
