#undef NDEBUG
#include <assert.h>

#include <algorithm>
#include <random>
#include <vector>

#include "planner.h"

using wpconvert::kAnywhere;
using wpconvert::PlanAround;
using wpconvert::PlanBuffers;
using wpconvert::PlannedBuffer;

namespace {

PlannedBuffer Make(uint32_t nbytes, uint16_t first, uint16_t last, size_t index) {
    return {nbytes, 0, first, last, last, static_cast<uint16_t>(index), 0, 0, 0};
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

// Buffers of 16 and 32 bytes that need 48, and a plan for them.
uint32_t Around(uint32_t first, uint32_t second, uint32_t best, uint32_t *offset) {
    PlannedBuffer buffers[] = {Make(16, 0, 1, 0), Make(32, 1, 1, 1)};
    buffers[0].trial = first;
    buffers[1].trial = second;
    buffers[1].offset = 4096;
    const uint32_t total = PlanAround(buffers, 2, best);
    *offset = buffers[1].offset;
    return total;
}

void TakesAPlanThatIsSoundAndSmaller() {
    uint32_t offset;
    assert(Around(0, 16, 64, &offset) == 48 && offset == 16);
    assert(Around(32, 0, 64, &offset) == 48 && offset == 0);
    assert(Around(32, kAnywhere, 64, &offset) == 48 && offset == 0);
    assert(Around(kAnywhere, kAnywhere, 64, &offset) == 48 && offset == 0);
    assert(Around(16, kAnywhere, 128, &offset) == 64 && offset == 32);
    // Not smaller, overlapping, misaligned, beyond 2 GB.
    const uint32_t refused[][2] = {{0, 32},         {0, 0},          {16, 0},
                                   {0, 8},          {8, 32},         {0, 0x7ffffff0},
                                   {0, 0x80000000}, {0, 0xfffffff0}, {0, 0x7fffffe0}};
    for (const uint32_t *plan : refused) {
        assert(Around(plan[0], plan[1], 64, &offset) == 64 && offset == 4096);
    }
}

void RandomPlans() {
    std::mt19937 random(2);
    uint32_t taken = 0;
    for (int round = 0; round < 20000; round++) {
        std::vector<PlannedBuffer> buffers;
        for (uint32_t n = 1 + random() % 5; n > 0; n--) {
            const uint16_t first = static_cast<uint16_t>(random() % 4);
            buffers.push_back(Make(16 * (random() % 3), first,
                                   static_cast<uint16_t>(first + random() % 3), buffers.size()));
            buffers.back().trial = random() % 8 == 0 ? kAnywhere : 8 * (random() % 12);
        }
        const uint32_t count = static_cast<uint32_t>(buffers.size());
        const uint32_t total = PlanAround(buffers.data(), count, 1024);
        if (total < 1024) {
            CheckPlan(buffers, total);
            taken++;
        }
    }
    assert(taken > 100);
}

void PlansOfSharedBuffers() {
    // The second one may overwrite the first one; the third lives beside the second.
    const std::vector<PlannedBuffer> shared = {Make(16, 0, 1, 0), Make(16, 1, 3, 1),
                                               Make(16, 2, 3, 2)};
    for (const uint32_t second : {0u, 16u}) {
        std::vector<PlannedBuffer> buffers = shared;
        buffers[0].until = 3;
        buffers[1].root = 0;
        buffers[0].trial = 0;
        buffers[1].trial = second;
        buffers[2].trial = 16 - second;
        assert(PlanAround(buffers.data(), 3, 1024) == 32);
        assert(buffers[1].offset == second && buffers[2].offset == 16 - second);
    }
    std::vector<PlannedBuffer> buffers = shared;
    buffers[1].root = 0;
    buffers[0].trial = buffers[1].trial = buffers[2].trial = 0;
    assert(PlanAround(buffers.data(), 3, 1024) == 1024);
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
    TakesAPlanThatIsSoundAndSmaller();
    RandomPlans();
    PlansOfSharedBuffers();
    Limits();
    return 0;
}
