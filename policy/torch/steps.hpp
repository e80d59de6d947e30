/* steps.hpp: the operations of a plan (policy/plan.h) as calls of libtorch.
 *
 * The arenas are tensors of one dimension on one device, and every view of a plan is a view of
 * them, made once. What a step decides by value (is a gradient finite? which critic is the
 * smaller?) is computed where the tensors are: no step waits for the device or asks it for a
 * number, so a list of them can be recorded.
 */
#ifndef PAWL_POLICY_TORCH_STEPS_HPP
#define PAWL_POLICY_TORCH_STEPS_HPP

#include "policy/torch/shim.h"

#include <ATen/ATen.h>

#include <functional>

namespace pawl
{

using step = std::function<void()>;

struct arenas {
    at::Tensor of[PAWL_ARENA_COUNT];
    at::Tensor spare[2]; /* room for any view of the plan, free at the begin of a step */

    /* Undefined where the view is absent. */
    at::Tensor view(const pawl_view &view) const;

    /* (rows, groups, cols / groups) of the same floats. */
    at::Tensor groups(const pawl_view &view, int64_t count) const;

    /* A spare one without gaps, in the shape of a view. */
    at::Tensor like(int index, const pawl_view &view) const;
    at::Tensor groups_like(int index, const pawl_view &view, int64_t count) const;
};

step make_step(const arenas &arenas, const pawl_op &op);

} // namespace pawl

#endif
