#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <random>

#include "model_builder.h"
#include "wpconvert/micro_interpreter.h"

using namespace wpconvert;
using wpconvert_test::Exact;
using wpconvert_test::ModelSpec;

namespace {

// TOY_SUM: y[i] = Σ inputs[i] + 1, all of one size. Has user data and, to count bytes, scratch.
struct Sum {
    uint32_t count;
    int32_t inputs;
    int scratch;
};

TfLiteStatus PrepareSum(PrepareContext &context) {
    const Tensor y = context.output(0);
    if (context.outputs_size() != 1 || !y.present || context.inputs_size() < 1) {
        return context.Fail("%d outputs, expected one", context.outputs_size());
    }
    for (int i = 0; i < context.inputs_size(); i++) {
        const Tensor x = context.input(i);
        if (!x.present || !x.SameShape(y) || x.type != TensorType::kInt8 || x.type != y.type) {
            return context.Fail("input %d '%s' is %s", i, x.name, TypeName(x.type));
        }
    }
    Sum *sum = context.AllocateUserData<Sum>();
    if (sum == nullptr) {
        return kTfLiteError;
    }
    sum->count = y.elements();
    sum->inputs = context.inputs_size();
    sum->scratch = context.RequestScratch(y.nbytes);
    return sum->scratch < 0 ? kTfLiteError : kTfLiteOk;
}

TfLiteStatus InvokeSum(InvokeContext &context) {
    const Sum *sum = context.user_data<Sum>();
    int8_t *scratch = static_cast<int8_t *>(context.scratch(sum->scratch));
    memset(scratch, 1, sum->count);
    for (int32_t i = 0; i < sum->inputs; i++) {
        const int8_t *x = context.input<int8_t>(static_cast<uint32_t>(i));
        for (uint32_t j = 0; j < sum->count; j++) {
            scratch[j] = static_cast<int8_t>(scratch[j] + x[j]);
        }
    }
    memcpy(context.output<int8_t>(0), scratch, sum->count);
    return kTfLiteOk;
}

// TOY_VIEW: y = x.
TfLiteStatus PrepareView(PrepareContext &context) {
    const Tensor x = context.input(0);
    const Tensor y = context.output(0);
    if (!x.present || !y.present || x.nbytes != y.nbytes) {
        return context.Fail("input and output differ in size");
    }
    uint32_t *nbytes = context.AllocateUserData<uint32_t>();
    if (nbytes == nullptr) {
        return kTfLiteError;
    }
    *nbytes = x.nbytes;
    return kTfLiteOk;
}

TfLiteStatus InvokeView(InvokeContext &context) {
    if (context.input<void>(0) != context.output<void>(0)) {
        memcpy(context.output<void>(0), context.input<void>(0), *context.user_data<uint32_t>());
    }
    return kTfLiteOk;
}

constexpr Registration kSum = {"TOY_SUM", PrepareSum, InvokeSum, kOperatorNone};
constexpr Registration kInPlaceSum = {"TOY_SUM", PrepareSum, InvokeSum, kOperatorInPlace};
constexpr Registration kView = {"TOY_VIEW", PrepareView, InvokeView, kOperatorView};

struct Toys : MicroMutableOpResolver<3> {
    Toys() {
        assert(AddCustom("TOY_SUM", &kSum) == kTfLiteOk);
        assert(AddCustom("TOY_IN_PLACE", &kInPlaceSum) == kTfLiteOk);
        assert(AddCustom("TOY_VIEW", &kView) == kTfLiteOk);
        assert(AddCustom("TOY_VIEW", &kView) == kTfLiteError);  // twice
        assert(AddCustom("OTHER", &kView) == kTfLiteError);     // no room
    }
};

// x0 → sum(x0, constant) → t2 → view → t3 (other shape) → in place sum → t4; y = sum(t4, t2)
ModelSpec Diamond() {
    ModelSpec spec;
    spec.tensors = {{{2, 50}, 9, {}}, {{2, 50}, 9, std::vector<int8_t>(100, 5)},
                    {{2, 50}, 9, {}}, {{100}, 9, {}},
                    {{100}, 9, {}},   {{100}, 9, {}}};
    spec.operators = {{32, "TOY_SUM", {0, 1}, {2}},
                      {32, "TOY_VIEW", {2}, {3}},
                      {32, "TOY_IN_PLACE", {3}, {4}},
                      {32, "TOY_SUM", {4, 3}, {5}}};
    spec.inputs = {0};
    spec.outputs = {5};
    return spec;
}

TfLiteStatus Run(MicroInterpreter &interpreter) {
    if (interpreter.AllocateTensors() != kTfLiteOk) {
        return kTfLiteError;
    }
    for (size_t i = 0; i < interpreter.inputs_size(); i++) {
        memset(interpreter.input(i)->data, static_cast<int>(i) + 3, interpreter.input(i)->nbytes);
    }
    return interpreter.Invoke();
}

void ComputesDiamond() {
    const std::vector<uint8_t> model = Diamond().Build();
    Exact copy(model.data(), model.size());
    Toys toys;
    alignas(16) static uint8_t arena[4096];
    MicroInterpreter interpreter(copy.data(), model.size(), toys, arena, sizeof(arena));
    assert(interpreter.input(0) == nullptr && interpreter.Invoke() == kTfLiteError);
    assert(Run(interpreter) == kTfLiteOk);
    assert(interpreter.inputs_size() == 1 && interpreter.outputs_size() == 1);
    const Tensor *y = interpreter.output(0);
    assert(y->rank == 1 && y->dims[0] == 100 && y->nbytes == 100);
    // x + 5 + 1 = 9; + 1 = 10; 10 + 9 + 1 = 20. The view's source is read again later, so it was
    // not overwritten.
    for (int i = 0; i < 100; i++) {
        assert(y->as<int8_t>()[i] == 20);
    }
    assert(interpreter.output(1) == nullptr && interpreter.operators_size() == 4);
    // A view shares its source's memory.
    assert(interpreter.operator_output(0, 0).data == interpreter.operator_output(1, 0).data);
    assert(interpreter.operator_output(1, 0).data != interpreter.operator_output(2, 0).data);
    assert(!interpreter.operator_output(4, 0).present &&
           !interpreter.operator_output(0, 1).present);
    // And once more from the start.
    assert(Run(interpreter) == kTfLiteOk && interpreter.output(0)->as<int8_t>()[99] == 20);
}

void OverwritesInPlace() {
    ModelSpec spec;
    spec.tensors = {{{1600}, 9, {}}, {{1600}, 9, {}}, {{1600}, 9, {}}};
    spec.operators = {{32, "TOY_IN_PLACE", {0}, {1}}, {32, "TOY_IN_PLACE", {1}, {2}}};
    spec.inputs = {0};
    spec.outputs = {2};
    const std::vector<uint8_t> model = spec.Build();
    Exact copy(model.data(), model.size());
    Toys toys;
    alignas(16) static uint8_t arena[8192];
    MicroInterpreter interpreter(copy.data(), model.size(), toys, arena, sizeof(arena));
    assert(Run(interpreter) == kTfLiteOk);
    assert(interpreter.output(0)->as<int8_t>()[1599] == 5);
    // One activation and one scratch buffer, not two and one.
    assert(interpreter.arena_used_bytes() < 2 * 1600 + 700);
    assert(interpreter.input(0)->data == interpreter.output(0)->data);
}

// The diamond with a memory plan of these offsets.
ModelSpec Planned(const std::vector<int32_t> &offsets) {
    ModelSpec spec = Diamond();
    spec.memory_plan = {1, 0, 6};
    spec.memory_plan.insert(spec.memory_plan.end(), offsets.begin(), offsets.end());
    return spec;
}

void RunsWithAnyPlan() {
    Toys toys;
    alignas(16) static uint8_t arena[4096];
    const std::vector<uint8_t> unplanned = Diamond().Build();
    Exact bare(unplanned.data(), unplanned.size());
    MicroInterpreter reference(bare.data(), unplanned.size(), toys, arena, sizeof(arena));
    assert(Run(reference) == kTfLiteOk);
    const size_t used = reference.arena_used_bytes();
    std::mt19937 random(11);
    std::vector<std::vector<int32_t>> plans = {
        {}, {0}, {0, -1, 0, 0, 0, 0}, {-1, -1, -1, -1, -1, -1}};
    for (int round = 0; round < 2000; round++) {
        std::vector<int32_t> offsets;
        for (int i = 0; i < 6; i++) {
            offsets.push_back(random() % 4 == 0 ? -1 : static_cast<int32_t>(16 * (random() % 24)));
        }
        plans.push_back(offsets);
    }
    for (const std::vector<int32_t> &plan : plans) {
        const std::vector<uint8_t> model = Planned(plan).Build();
        Exact copy(model.data(), model.size());
        MicroInterpreter interpreter(copy.data(), model.size(), toys, arena, sizeof(arena));
        assert(Run(interpreter) == kTfLiteOk && interpreter.arena_used_bytes() <= used);
        for (int i = 0; i < 100; i++) {
            assert(interpreter.output(0)->as<int8_t>()[i] == 20);
        }
    }
}

// Every arena size: either it works or the error says which size does.
void ArenaSizes() {
    const std::vector<uint8_t> model = Diamond().Build();
    Exact copy(model.data(), model.size());
    Toys toys;
    std::vector<uint8_t> big(4096 + 64);
    for (size_t shift : {0, 1, 8, 15}) {
        uint8_t *start =
            big.data() + (16 - reinterpret_cast<uintptr_t>(big.data()) % 16) % 16 + shift;
        MicroInterpreter roomy(copy.data(), model.size(), toys, start, 4096);
        assert(roomy.AllocateTensors() == kTfLiteOk);
        const size_t used = roomy.arena_used_bytes();
        uint32_t exact = 0;
        for (size_t nbytes = 0; nbytes < used + 40; nbytes++) {
            // An allocation of its own, so that a sanitizer sees what lies outside.
            Exact arena(big.data(), nbytes + shift);
            MicroInterpreter interpreter(copy.data(), model.size(), toys, arena.data() + shift,
                                         nbytes);
            const TfLiteStatus status = Run(interpreter);
            assert((status == kTfLiteOk) == (nbytes >= used));
            if (status == kTfLiteOk) {
                assert(interpreter.arena_used_bytes() == used);
                assert(interpreter.output(0)->as<int8_t>()[0] == 20);
            } else {
                assert(strstr(interpreter.error(), "arena is too small") != nullptr);
                assert(interpreter.arena_used_bytes() <= used);
                assert(interpreter.arena_is_estimate() || interpreter.arena_used_bytes() == used);
                exact += !interpreter.arena_is_estimate();
            }
        }
        assert(exact > used / 2);
    }
    MicroInterpreter none(copy.data(), model.size(), toys, nullptr, 0);
    assert(none.AllocateTensors() == kTfLiteError);
}

void Expect(const ModelSpec &spec, const char *text) {
    const std::vector<uint8_t> model = spec.Build();
    Exact copy(model.data(), model.size());
    Toys toys;
    alignas(16) static uint8_t arena[4096];
    MicroInterpreter interpreter(copy.data(), model.size(), toys, arena, sizeof(arena));
    assert(interpreter.AllocateTensors() == kTfLiteError);
    if (strstr(interpreter.error(), text) == nullptr) {
        fprintf(stderr, "expected: %s\ngot: %s\n", text, interpreter.error());
        assert(false);
    }
}

void NamesWhatIsWrong() {
    ModelSpec spec = Diamond();
    spec.operators[2] = {3, "", {3}, {4}};
    Expect(spec, "operator 2 (CONV_2D): not registered: call resolver.AddConv2D()");
    spec.operators[2] = {126, "", {3}, {4}};
    Expect(spec, "operator 2: builtin operator 126 is not supported");
    spec.operators[2] = {150, "", {3}, {4}};
    Expect(spec, "builtin operator 150 is not supported");
    spec.operators[2] = {32, "MINE", {3}, {4}};
    Expect(spec, "operator 2 (MINE): not registered: call resolver.AddCustom(\"MINE\", ");

    spec = Diamond();
    spec.operators[0].inputs = {0, 9};
    Expect(spec, "operator 0 (TOY_SUM): tensor 9 does not exist: the model has 6");
    spec.operators[0].inputs = {0, -2};
    Expect(spec, "tensor -2 does not exist");
    spec.operators[0].inputs = {0, 4};
    Expect(spec, "operator 0 (TOY_SUM): reads tensor 4 't4', which is not written yet");
    spec.operators[0].inputs = {0, 1, -1};
    Expect(spec, "operator 0 (TOY_SUM): input 2 '' is");
    spec = Diamond();
    spec.operators[2].outputs = {2};
    Expect(spec, "writes tensor 2 't2', which already has a value");
    spec.operators[2].outputs = {1};
    Expect(spec, "writes tensor 1 't1', which already has a value");
    spec.operators[2].outputs = {};
    spec.operators[3].inputs = {3, 3};
    Expect(spec, "operator 2 (TOY_IN_PLACE): 0 outputs, expected one");

    spec = Diamond();
    spec.tensors[1].data.pop_back();
    Expect(spec, "tensor 1 't1': 99 bytes are stored, its shape needs 100");
    spec = Diamond();
    spec.tensors[4].type = 5;
    Expect(spec, "tensor 4 't4' is STRING, which is not supported");
    spec.tensors[4].type = 0;
    Expect(spec, "(TOY_IN_PLACE): input 0 't3' is INT8");
    spec = Diamond();
    spec.tensors[4].shape = {10, -1};
    Expect(spec, "tensor 4 't4': dimension 1 is -1");
    spec.tensors[4].shape = {65536, 65536};
    Expect(spec, "too large");
    spec.tensors[4].shape = {1, 1, 1, 1, 1, 1, 100};
    Expect(spec, "7 dimensions, supported are up to 6");
    spec = Diamond();
    spec.outputs = {5, 7};
    Expect(spec, "tensor 7 does not exist");
    spec = Diamond();
    spec.inputs = {0, 0};
    Expect(spec, "tensor 0 't0', an input of the model, is constant or another input too");
    spec.inputs = {1};
    Expect(spec, "an input of the model, is constant");
    spec = Diamond();
    spec.operators.pop_back();
    Expect(spec, "tensor 5 't5', an output of the model, is never computed");
    spec = ModelSpec();
    spec.tensors = {{{0x7f000000}, 9, {}}, {{0x7f000000}, 9, {}}, {{0x7f000000}, 9, {}}};
    spec.operators = {{32, "TOY_SUM", {0, 1}, {2}}};
    spec.inputs = {0, 1};
    spec.outputs = {2};
    Expect(spec, "more than 2 GB");
}

void ModelWithoutOperators() {
    ModelSpec spec;
    spec.tensors = {{{}, 9, {}}, {{3}, 9, {1, 2, 3}}};
    spec.inputs = {0};
    spec.outputs = {0, 1};
    const std::vector<uint8_t> model = spec.Build();
    Exact copy(model.data(), model.size());
    Toys toys;
    alignas(16) static uint8_t arena[1024];
    MicroInterpreter interpreter(copy.data(), model.size(), toys, arena, sizeof(arena));
    assert(Run(interpreter) == kTfLiteOk);
    assert(interpreter.input(0)->rank == 0 && interpreter.input(0)->nbytes == 1);
    assert(*interpreter.output(0)->as<int8_t>() == 3);
    assert(interpreter.output(1)->is_constant && interpreter.output(1)->as<int8_t>()[2] == 3);
}

bool RunBytes(const uint8_t *data, size_t nbytes) {
    Exact copy(data, nbytes);
    const std::vector<uint8_t> fill(2048, 0xa5);
    Exact arena(fill.data(), fill.size());
    Toys toys;
    MicroInterpreter interpreter(copy.data(), nbytes, toys, arena.data(), fill.size());
    const bool good = Run(interpreter) == kTfLiteOk;
    assert(good || interpreter.error()[0] != 0);
    return good;
}

void SurvivesMalformedModels() {
    const std::vector<uint8_t> model = Planned({0, -1, 112, -1, -1, 224}).Build();
    assert(RunBytes(model.data(), model.size()));
    for (size_t n = 0; n < model.size(); n++) {
        RunBytes(model.data(), n);
    }
    uint32_t good = 0;
    for (size_t i = 0; i < model.size(); i++) {
        for (uint8_t flip : {0x01, 0x02, 0x10, 0x7f, 0x80, 0xff}) {
            std::vector<uint8_t> changed = model;
            changed[i] ^= flip;
            good += RunBytes(changed.data(), changed.size());
        }
    }
    std::mt19937 random(7);
    for (int round = 0; round < 5000; round++) {
        std::vector<uint8_t> changed = model;
        for (uint32_t n = 1 + random() % 8; n > 0; n--) {
            changed[random() % changed.size()] = static_cast<uint8_t>(random());
        }
        good += RunBytes(changed.data(), changed.size());
    }
    assert(good > 0);
}

struct Calls {
    int before = 0, after = 0;
};

void Observes() {
    const std::vector<uint8_t> model = Diamond().Build();
    Exact copy(model.data(), model.size());
    Toys toys;
    alignas(16) static uint8_t arena[4096];
    MicroInterpreter interpreter(copy.data(), model.size(), toys, arena, sizeof(arena));
    Calls calls;
    interpreter.SetObserver(
        [](void *user, int index, const char *name, bool after) {
            Calls *counts = static_cast<Calls *>(user);
            int &count = after ? counts->after : counts->before;
            assert(index == count++ && strncmp(name, "TOY_", 4) == 0);
        },
        &calls);
    assert(Run(interpreter) == kTfLiteOk && calls.before == 4 && calls.after == 4);
}

}  // namespace

int main() {
    ComputesDiamond();
    OverwritesInPlace();
    RunsWithAnyPlan();
    ArenaSizes();
    NamesWhatIsWrong();
    ModelWithoutOperators();
    SurvivesMalformedModels();
    Observes();
    return 0;
}
