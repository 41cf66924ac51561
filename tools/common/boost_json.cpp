// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include <boost/json/src.hpp> // header-only: the tools need no Boost at run time
