/* guard.hpp: no exception leaves the door. Every function that the tables of shim.h name has
 * one guard() as its body, which turns what libtorch throws into a code and a sentence.
 */
#ifndef PAWL_POLICY_TORCH_GUARD_HPP
#define PAWL_POLICY_TORCH_GUARD_HPP

#include "policy/torch/shim.h"

#include <c10/util/Exception.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <new>

namespace pawl
{

/* An error of the other half of the door, on its way through this one. */
struct failed {
    pawl_err err;
};

/* libtorch says more than a sentence: what its first line does not have is advice on how to
 * build libtorch. */
inline int line_length(const char *text) noexcept
{
    return static_cast<int>(std::strcspn(text, "\n"));
}

/* is_lost: whether CUDA has failed for good, asked after a failure; NULL: there is no CUDA. */
template <typename Body>
int guard(pawl_err *err, const char *what, int (*is_lost)(), Body &&body) noexcept
{
    pawl_err inner{};
    try {
        body();
        return 0;
    } catch (const std::bad_alloc &) {
        pawl_err_set(&inner, ENOMEM, "%s: out of memory", what);
    } catch (const failed &e) {
        pawl_err_set(&inner, e.err.code, "%s: %s", what, e.err.text);
    } catch (const c10::OutOfMemoryError &e) {
        const char *text = e.what_without_backtrace();
        pawl_err_set(&inner, ENOMEM, "%s: %.*s", what, line_length(text), text);
    } catch (const c10::Error &e) {
        const char *text = e.what_without_backtrace();
        pawl_err_set(&inner, EINVAL, "%s: %.*s", what, line_length(text), text);
    } catch (const std::exception &e) {
        pawl_err_set(&inner, EIO, "%s: %.*s", what, line_length(e.what()), e.what());
    } catch (...) {
        pawl_err_set(&inner, EIO, "%s: an exception of unknown type", what);
    }
    if (is_lost && is_lost() && inner.code != ENOTRECOVERABLE)
        return pawl_err_set(err, ENOTRECOVERABLE,
                            "%s; CUDA has failed for good in this process, which has to start "
                            "anew",
                            inner.text);
    return pawl_err_set(err, inner.code, "%s", inner.text);
}

} // namespace pawl

#endif
