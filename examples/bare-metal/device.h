/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */
#ifndef DEVICE_H
#define DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** An ivshmem device, version 1: ivshmem-doorbell or ivshmem-plain. */
struct device {
    volatile uint32_t* registers;
    void* memory;
    size_t memory_size; /**< bytes */
    uint16_t id;        /**< 0 if it has no interrupts */
    bool rings;         /**< it can ring others: it is ivshmem-doorbell */
    bool interrupts;    /**< vector 0 interrupts this processor */
};

/** Finds the first device on bus 0, and enables it. @return A null pointer, or what is wrong. */
const char* device_open(struct device* device);
void device_ring(const struct device* device, uint16_t peer, uint16_t vector);

#endif
