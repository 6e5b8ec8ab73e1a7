#pragma once
#include "tally/engine/layer.h"
#include "tally/platforms/kernel_args.h"

namespace tally {

/// copy_nd arguments (pointers aside) that rewrite a float tensor N, C, spatial… from one layout to the other. The
/// padding channels of a channels_last result are left as they are: no kernel reads them.
CopyArgs reorder_args(const Shape& shape, Layout from, Layout to, int64_t channel_pad);

/// copy_nd arguments that copy `bytes` contiguous bytes.
CopyArgs byte_copy_args(int64_t bytes);

}  // namespace tally
