#undef NDEBUG
#include <assert.h>

#include <algorithm>
#include <random>
#include <vector>

#include "planner.h"

using wpconvert::PlanBuffers;
using wpconvert::PlannedBuffer;

namespace {

PlannedBuffer Make(uint32_t nbytes, uint16_t first, uint16_t last, size_t index) {
    return {nbytes, 0, first, last, static_cast<uint16_t>(index), 0, 0, 0};
}

// What lives at the same time at most: no plan can do with less.
uint32_t Peak(const std::vector<PlannedBuffer> &buffers, uint16_t steps) {
    uint32_t peak = 0;
    for (uint16_t t = 0; t < steps; t++) {
        uint32_t sum = 0;
        for (const PlannedBuffer &buffer : buffers) {
            sum += buffer.first <= t && t <= buffer.last ? buffer.nbytes : 0;
        }
        peak = std::max(peak, sum);
    }
    return peak;
}

void CheckPlan(std::vector<PlannedBuffer> buffers, uint32_t total) {
    for (size_t i = 0; i < buffers.size(); i++) {
        const PlannedBuffer &a = buffers[i];
        assert(a.offset % 16 == 0 && a.offset + a.nbytes <= total);
        for (size_t j = 0; j < i; j++) {
            const PlannedBuffer &b = buffers[j];
            const bool together = a.first <= b.last && b.first <= a.last;
            const bool overlap = a.offset < b.offset + b.nbytes && b.offset < a.offset + a.nbytes;
            assert(!together || !overlap || a.nbytes == 0 || b.nbytes == 0);
        }
    }
}

void Random() {
    std::mt19937 random(1);
    for (int round = 0; round < 2000; round++) {
        const uint16_t steps = static_cast<uint16_t>(1 + random() % 20);
        std::vector<PlannedBuffer> buffers;
        for (uint32_t n = random() % 30; n > 0; n--) {
            const uint16_t first = static_cast<uint16_t>(random() % steps);
            const uint16_t last = static_cast<uint16_t>(first + random() % (steps - first));
            buffers.push_back(Make(16 * (random() % 40), first, last, buffers.size()));
        }
        const uint32_t total = PlanBuffers(buffers.data(), static_cast<uint32_t>(buffers.size()));
        CheckPlan(buffers, total);
        assert(total >= Peak(buffers, steps));
    }
}

void Chain() {
    // A sequence of layers needs its largest input and output together, no more.
    std::vector<PlannedBuffer> buffers;
    const uint32_t sizes[] = {160, 320, 640, 320, 640, 64, 16};
    for (uint16_t i = 0; i < 7; i++) {
        buffers.push_back(Make(sizes[i], i, static_cast<uint16_t>(i + 1), i));
    }
    assert(PlanBuffers(buffers.data(), 7) == 960);
}

void BetterThanBySize() {
    // Largest first leaves a hole here: 64512. What lives at one time is 55296.
    std::vector<PlannedBuffer> buffers = {Make(27648, 0, 0, 0), Make(18432, 0, 1, 1),
                                          Make(18432, 1, 2, 2), Make(36864, 2, 3, 3)};
    const uint32_t total = PlanBuffers(buffers.data(), 4);
    CheckPlan(buffers, total);
    assert(total == 55296);
}

void Limits() {
    assert(PlanBuffers(nullptr, 0) == 0);
    std::vector<PlannedBuffer> buffers = {Make(0x7ffffff0, 0, 0, 0), Make(16, 0, 0, 1)};
    assert(PlanBuffers(buffers.data(), 1) == 0x7ffffff0);
    assert(PlanBuffers(buffers.data(), 2) == UINT32_MAX);
    // What lies in another buffer is not placed.
    buffers[0].nbytes = 32;
    buffers[1].root = 0;
    assert(PlanBuffers(buffers.data(), 2) == 32);
}

}  // namespace

int main() {
    Random();
    Chain();
    BetterThanBySize();
    Limits();
    return 0;
}
