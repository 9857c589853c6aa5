// The operators that a program has. What it does not add is not linked.
#ifndef WPCONVERT_MICRO_MUTABLE_OP_RESOLVER_H_
#define WPCONVERT_MICRO_MUTABLE_OP_RESOLVER_H_

#include <stdint.h>

#include "wpconvert/operators.h"
#include "wpconvert/status.h"

namespace wpconvert {

// What an interpreter needs of a resolver, whatever its capacity.
class MicroOpResolver {
   public:
    MicroOpResolver(const MicroOpResolver &) = delete;
    MicroOpResolver &operator=(const MicroOpResolver &) = delete;

    // The place of the operator for a builtin number or, where `custom_code` is given, for that
    // code; −1 when it was not added.
    int Find(int32_t builtin, const char *custom_code) const;

    // The operator at a place that Find has given.
    const Registration *At(int place) const {
        return entries_[place].registration;
    }

   protected:
    struct Entry {
        const Registration *registration;
        const char *custom_code;  // nullptr for a builtin operator
        int32_t builtin;
    };
    MicroOpResolver(Entry *entries, uint32_t capacity) : entries_(entries), capacity_(capacity) {}
    ~MicroOpResolver() = default;

    // kTfLiteError when there is no room, the operator is there already, or the registration is
    // missing.
    TfLiteStatus Add(int32_t builtin, const char *custom_code, const Registration *registration);

   private:
    Entry *entries_;
    uint32_t capacity_;
    uint32_t size_ = 0;
};

// Room for N operators. Each AddX() returns kTfLiteError when there is no room left or the operator
// is there already.
template <unsigned N>
class MicroMutableOpResolver : public MicroOpResolver {
   public:
    static_assert(N <= 255, "interpreters keep the place of an operator in a byte");

    MicroMutableOpResolver() : MicroOpResolver(entries_, N) {}

    // An operator by its custom code; both arguments must live as long as the resolver.
    TfLiteStatus AddCustom(const char *custom_code, const Registration *registration) {
        return custom_code == nullptr ? kTfLiteError : Add(-1, custom_code, registration);
    }

#define WPCONVERT_BUILTIN(name, number, method)         \
    TfLiteStatus method() {                             \
        return Add(number, nullptr, Register_##name()); \
    }
#include "wpconvert/operators.def"

   private:
    Entry entries_[N > 0 ? N : 1];
};

}  // namespace wpconvert

#endif  // WPCONVERT_MICRO_MUTABLE_OP_RESOLVER_H_
