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
thread_local std::vector<uint32_t> *recorded = nullptr;

uint32_t record(uint32_t nbytes) {
    if (recorded != nullptr) {
        recorded->push_back(nbytes);
    }
    return nbytes;
}

}  // namespace

extern "C" {

uint32_t wpn_conv_scratch_nbytes(const wpk_conv_shape *shape, const wpk_weights *weights) {
    return record(current->conv(shape, weights));
}

uint32_t wpn_depthwise_scratch_nbytes(const wpk_conv_shape *shape, const wpk_weights *weights) {
    return record(current->depthwise(shape, weights));
}

uint32_t wpn_fully_connected_scratch_nbytes(uint32_t batch, const wpk_weights *weights) {
    return record(current->fully_connected(batch, weights));
}

uint32_t wpn_dequantise_scratch_nbytes(uint32_t n) {
    return current->dequantise(n);
}

}  // extern "C"

namespace wpconvert::native {

const wpn_planning *planning_of(const std::string &core) {
    for (const wpn_planning *planning : kCores) {
        if (core == planning->core) {
            return planning;
        }
    }
    return nullptr;
}

PlanningFor::PlanningFor(const wpn_planning *planning, std::vector<uint32_t> *record) {
    current = planning;
    recorded = record;
}

PlanningFor::~PlanningFor() {
    current = &kHost;
    recorded = nullptr;
}

}  // namespace wpconvert::native
