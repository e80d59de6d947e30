/* shim.cpp: the table of pawl_torch.so, and what is asked of libtorch as such. */
#include "policy/torch/engine.hpp"
#include "policy/torch/guard.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/version.h>

#include <dlfcn.h>

#include <cstdio>
#include <string>

namespace pawl
{

surroundings around;

int is_lost()
{
    return around.cuda ? around.cuda->is_lost() : 0;
}

} // namespace pawl

namespace
{

using pawl::around;

template <typename Body> int guard(pawl_err *err, const char *what, Body &&body) noexcept
{
    return pawl::guard(err, what, pawl::is_lost, body);
}

void check(int code, const pawl_err &err)
{
    if (code != 0)
        throw pawl::failed{err};
}

void put(char (&to)[PAWL_TORCH_TEXT_BYTES], const std::string &text)
{
    std::snprintf(to, sizeof(to), "%s", text.c_str());
}

/* "MKL 2024.2" from "Intel(R) oneAPI Math Kernel Library Version 2024.2-Product Build ...". */
std::string own_blas()
{
    if (!at::hasMKL())
        return "";
    std::string text = at::get_mkl_version();
    size_t at = text.find("Version ");
    return "MKL " + (at == std::string::npos
                         ? text
                         : text.substr(at + 8, text.find_first_of("- ", at + 8) - at - 8));
}

int start(const pawl_torch_host *host, const pawl_torch_cuda *cuda, uint32_t thread_count,
          pawl_err *err)
{
    around = {host, cuda};
    return guard(err, "start libtorch", [&] {
        if (host->op_byte_count != sizeof(pawl_op) || host->op_kind_count != PAWL_OP_KIND_COUNT)
            throw pawl::failed{{EPROTO, "the program has other operations: build both again"}};
        if (thread_count)
            at::set_num_threads(static_cast<int>(thread_count));
    });
}

int about(pawl_torch_about *about, pawl_err *err)
{
    *about = {};
    return guard(err, "ask libtorch", [&] {
        Dl_info info{};
        int (*known)() = at::get_num_threads; /* a function of libtorch_cpu */
        put(about->version, TORCH_VERSION);
        if (dladdr(reinterpret_cast<void *>(known), &info) && info.dli_fname)
            put(about->library, info.dli_fname);
        put(about->blas_own, own_blas());
        about->thread_count = static_cast<uint32_t>(at::get_num_threads());
        if (around.cuda) {
            pawl_err reason{};
            if (around.cuda->device_count(&about->device_count, &reason) != 0)
                put(about->cuda_why, reason.text);
        } else {
            put(about->cuda_why, "opened without");
        }
    });
}

int device(uint32_t index, pawl_torch_device *device, pawl_err *err)
{
    *device = {};
    return guard(err, "ask CUDA", [&] {
        pawl_err inner{};
        if (!around.cuda)
            throw pawl::failed{{ENODEV, "the door was opened without its CUDA half"}};
        check(around.cuda->device(index, device, &inner), inner);
    });
}

/* Small whole numbers, so every order of summation gives the same product. */
int self_test(const char *device, pawl_err *err)
{
    std::string what = std::string("self test of libtorch on ") + device;
    return guard(err, what.c_str(), [&] {
        constexpr int64_t n = 64;
        at::Tensor row = at::arange(n, at::kFloat);
        at::Tensor a = row.unsqueeze(0).expand({n, n}).to(at::Device(std::string(device)));
        at::Tensor b = at::ones({n, n}, a.options());
        at::Tensor product = at::mm(a, b).cpu();
        float want = static_cast<float>(n * (n - 1) / 2);
        if (!at::equal(product, at::full({n, n}, want)))
            throw pawl::failed{{EIO, "a product of two matrices is wrong"}};
    });
}

const pawl_torch door = {
    PAWL_TORCH_ABI,    sizeof(door),       start, about, device, self_test,
    &pawl::engine_cpu, &pawl::engine_cuda,
};

} // namespace

extern "C" __attribute__((visibility("default"))) const void *pawl_torch_door()
{
    return &door;
}
