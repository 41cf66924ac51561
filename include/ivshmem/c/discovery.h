/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */
#ifndef IVSHMEM_C_DISCOVERY_H
#define IVSHMEM_C_DISCOVERY_H

/** @file
 *  The devices of this machine, which need not be opened, and why one cannot be used. */

#include <ivshmem/c/code.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The ways to reach a device, as ivshmem::backend_kind. */
enum ivshmem_backend {
    IVSHMEM_BACKEND_NONE = 0,   /**< none can; in options: the bound driver decides */
    IVSHMEM_BACKEND_VFIO = 1,   /**< a PCI device bound to vfio-pci */
    IVSHMEM_BACKEND_UIO = 2,    /**< a PCI device bound to a UIO driver, or to none */
    IVSHMEM_BACKEND_SERVER = 3, /**< the UNIX socket of an ivshmem server */
    IVSHMEM_BACKEND_SHARED = 4  /**< a device that ivshmem-share has open for several programs */
};

/** Whether a device can ring and be rung, as ivshmem::device_type. */
enum ivshmem_device_type {
    IVSHMEM_TYPE_UNKNOWN = 0, /**< this process may not read the capabilities */
    IVSHMEM_TYPE_PLAIN = 1,   /**< memory only */
    IVSHMEM_TYPE_DOORBELL = 2 /**< has a doorbell and interrupts */
};

/** The flags of the facts of a device. */
enum ivshmem_device_flag {
    IVSHMEM_DEVICE_HAS_REVISION = 1,  /**< `revision` could be read */
    IVSHMEM_DEVICE_HAS_VECTORS = 2,   /**< `vectors` could be read, and there are some */
    IVSHMEM_DEVICE_HAS_REGION = 4,    /**< `acrn_region` exists */
    IVSHMEM_DEVICE_HAS_GROUP = 8,     /**< `iommu_group` exists */
    IVSHMEM_DEVICE_HAS_NUMA = 16,     /**< `numa_node` exists */
    IVSHMEM_DEVICE_HAS_SECTIONS = 32, /**< the sizes of the sections could be read: ivshmem-v2 */
    IVSHMEM_DEVICE_HAS_INTX = 64,     /**< INTx instead of MSI-X: rings arrive as vector 0 */
    IVSHMEM_DEVICE_IS_GONE = 128,     /**< its registers read as all ones: unplugged */
    IVSHMEM_DEVICE_IS_ENABLED = 256,  /**< memory decoding is switched on */
    IVSHMEM_DEVICE_IS_NOIOMMU = 512   /**< the group is VFIO's no-IOMMU group */
};

/** The facts about a PCI device, as sysfs has them. Every text is empty if the fact does not exist.
 */
struct ivshmem_device_info {
    size_t size;         /**< of this struct in bytes, set by the caller */
    const char* address; /**< "0000:00:04.0" */
    const char* driver;  /**< the bound driver */
    const char* node;    /**< the node through which the driver offers the device: "/dev/vfio/7" */
    uint32_t flags;      /**< a combination of ivshmem_device_flag */
    int generation;      /**< of the registers: 1 (QEMU, ACRN) or 2 (ivshmem-v2) */
    int type;            /**< ivshmem_device_type */
    int backend;         /**< ivshmem_backend that can use the device now */
    uint16_t vendor;
    uint16_t device;
    uint16_t subsystem_vendor;
    uint16_t subsystem_device;
    uint32_t class_code;          /**< 0xBBSSPP: base class, sub-class, programming interface */
    uint32_t revision;            /**< 0..255 */
    uint32_t vectors;             /**< the number of MSI-X vectors; 1 with INTx */
    uint32_t acrn_region;         /**< 0..65535: the id of the memory region */
    uint32_t iommu_group;         /**< the number of the IOMMU group */
    int32_t numa_node;            /**< the number of the NUMA node */
    uint64_t memory_start;        /**< guest physical address of BAR2; 0 if there is none */
    uint64_t memory_size;         /**< bytes of BAR2: the shared memory; 0 if there is none */
    uint64_t state_table_size;    /**< ivshmem-v2: bytes of the state table */
    uint64_t read_write_size;     /**< ivshmem-v2: bytes of the read/write section */
    uint64_t output_section_size; /**< ivshmem-v2: bytes of each output section */
    size_t problem_count;         /**< how many problems ivshmem_discovery_get_problem() has */
};

/** Whether this process can use a device as it is, and the obstacle if not; as
 *  ivshmem::diagnosis. Every text is one line, and empty if there is nothing to say. */
struct ivshmem_diagnosis {
    size_t size;                  /**< of this struct in bytes, set by the caller */
    int can_map;                  /**< 1: the shared memory can be mapped */
    int can_ring;                 /**< 1: the doorbell can be rung */
    int can_interrupt;            /**< 1: interrupts can arrive, on one vector or more */
    const char* problem;          /**< the obstacle */
    const char* remedy;           /**< the command or the step that fixes it */
    const char* driver;           /**< the driver to bind, as `ivshmemctl bind` takes it */
    const char* driver_remedy;    /**< how to get a driver that delivers interrupts */
    const char* iommu_remedy;     /**< how to get an IOMMU group on this machine */
    const char* remapping_remedy; /**< how to make VFIO accept an IOMMU that remaps no interrupts */
    const char* msi_problem;      /**< why no message-signalled interrupts are delivered */
    const char* msi_remedy;       /**< the step that fixes that */
};

/** The devices that were found. Close it with ivshmem_discovery_close(). */
struct ivshmem_discovery;

/** Finds every ivshmem device. Opens no device, changes nothing and needs no privilege.
 *  @param root The directory that holds `sys` and `dev`; NULL: "/".
 *  @param discovery Gets the devices, by ascending PCI address.
 *  @return #IVSHMEM_SYSFS_UNAVAILABLE, #IVSHMEM_DESCRIPTOR_LIMIT. Thread safe. */
int ivshmem_discovery_open(const char* root, struct ivshmem_discovery** discovery);
/** Closes the discovery, and ends the validity of its texts. */
int ivshmem_discovery_close(struct ivshmem_discovery* discovery);

/** Returns how many devices there are.
 *  @par Thread Safety
 *  Any number of threads may call the functions that get, as long as none closes the discovery. */
int ivshmem_discovery_get_count(struct ivshmem_discovery* discovery, size_t* count);
/** Returns the facts about a device. The texts are valid until the discovery is closed.
 *  @param index 0..count-1; else -EINVAL.
 *  @param info `size` is set by the caller. */
int ivshmem_discovery_get_device(struct ivshmem_discovery* discovery, size_t index,
                                 struct ivshmem_device_info* info);
/** Judges by the facts whether this process can use a device, and opens nothing. The texts are
 *  valid until the discovery is closed.
 *  @param index 0..count-1; else -EINVAL.
 *  @param diagnosis `size` is set by the caller. */
int ivshmem_discovery_get_diagnosis(struct ivshmem_discovery* discovery, size_t index,
                                    struct ivshmem_diagnosis* diagnosis);
/** Returns one line about a file of a device that was missing, unreadable or malformed.
 *  @param index 0..count-1; else -EINVAL.
 *  @param problem 0..ivshmem_device_info::problem_count-1; else -EINVAL. */
int ivshmem_discovery_get_problem(struct ivshmem_discovery* discovery, size_t index, size_t problem,
                                  const char** text);

#ifdef __cplusplus
}
#endif

#endif
