// Which operator a node is: its code in the model, its registration, its name for messages.
#include "schema.h"
#include "wpconvert/program.h"

namespace wpconvert {

#ifndef WPCONVERT_NO_ERROR_STRINGS
namespace {

struct Known {
    int32_t builtin;
    const char *name;
    const char *method;
};

const Known *FindKnown(int32_t builtin) {
#define WPCONVERT_BUILTIN(name, number, method) {number, #name, #method},
    static const Known kKnown[] = {
#include "wpconvert/operators.def"
    };
    for (const Known &known : kKnown) {
        if (known.builtin == builtin) {
            return &known;
        }
    }
    return nullptr;
}

}  // namespace
#endif

void Program::CodeOf(uint32_t node, int32_t *builtin, const char **custom_code) const {
    using namespace schema::operator_code;
    // An index outside the vector gives an absent table, and that reads as builtin −1, which nobody
    // registers.
    const FlatTable code =
        model_.TableAt(codes_, static_cast<uint32_t>(OperatorTable(node).I32(schema::op::kCode)));
    const int32_t old_field = code.I8(kDeprecatedBuiltin);
    const int32_t new_field = code.I32(kBuiltin);
    *builtin = !code.present() ? -1 : old_field > new_field ? old_field : new_field;
    *custom_code = *builtin == schema::kCustom ? code.String(kCustomCode) : nullptr;
}

int Program::FindRegistration(uint32_t node) const {
    int32_t builtin;
    const char *custom_code;
    CodeOf(node, &builtin, &custom_code);
    return resolver_.Find(builtin, custom_code);
}

const char *Program::OperatorName(uint32_t node) const {
#ifndef WPCONVERT_NO_ERROR_STRINGS
    int32_t builtin;
    const char *custom_code;
    CodeOf(node, &builtin, &custom_code);
    if (custom_code != nullptr) {
        return custom_code;
    }
    const Known *known = FindKnown(builtin);
    if (known != nullptr) {
        return known->name;
    }
#endif
    const int place = FindRegistration(node);
    return place < 0 ? "" : resolver_.At(place)->name;
}

TfLiteStatus Program::NotRegistered(uint32_t node) {
    const int index = static_cast<int>(node);
#ifndef WPCONVERT_NO_ERROR_STRINGS
    int32_t builtin;
    const char *custom_code;
    CodeOf(node, &builtin, &custom_code);
    if (buffer_.malformed || builtin < 0) {
        return Malformed(index);
    }
    if (custom_code != nullptr) {
        return Fail(index,
                    "not registered: call resolver.AddCustom(\"%s\", wpconvert::Register_%s())",
                    custom_code, custom_code);
    }
    const Known *known = FindKnown(builtin);
    if (known != nullptr) {
        return Fail(index, "not registered: call resolver.%s()", known->method);
    }
    return Fail(index, "builtin operator %d is not supported", builtin);
#else
    return Fail(index, nullptr);
#endif
}

}  // namespace wpconvert
