// SPDX-License-Identifier: MIT OR GPL-2.0-or-later
// SPDX-FileCopyrightText: The libivshmem authors
/*
 * A test's driver for ivshmem-v2 (110a:4106) whose node has the maps of Jailhouse's uio_ivshmem:
 *
 *   registers        BAR0
 *   state_table      read-only
 *   rw_section       if the device has one
 *   input_sections   read-only: the output sections of all peers
 *   output_section   that of this peer; both only if there are output sections
 *
 * A map that is left out shifts the numbers of those after it, so that programs must go by the names.
 * All vectors arrive as one UIO event, in one-shot mode: the program sets IntControl again after each.
 * The driver has no irqcontrol, so that writing to the node fails with ENOSYS. Closing the node
 * writes State=0 and leaves IntControl.
 */
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/uio_driver.h>
#include <linux/version.h>

/* ivshmem-v2-specification.md, "Register Region" and "Vendor Specific Capability". */
#define REG_ID 0x00
#define REG_MAX_PEERS 0x04
#define REG_STATE 0x10

#define CAP_LENGTH 0x02
#define CAP_PRIVILEGED 0x03
#define CAP_STATE_TABLE 0x04
#define CAP_READ_WRITE 0x08
#define CAP_OUTPUT 0x10
#define CAP_ADDRESS 0x18
#define ONE_SHOT BIT(0)
#define LEAST_LENGTH 0x18
#define LENGTH_WITH_ADDRESS 0x20

#define MOST_VECTORS 16

struct ivshmem {
	struct uio_info uio;
	struct pci_dev *pci;
	void __iomem *registers;
	int capability;
	int vectors;
	unsigned long read_only; /* a bit for each map */
};

static u64 capability_u64(struct ivshmem *iv, int at)
{
	u32 low = 0, high = 0;

	pci_read_config_dword(iv->pci, iv->capability + at, &low);
	pci_read_config_dword(iv->pci, iv->capability + at + 4, &high);
	return (u64)high << 32 | low;
}

static int map_node(struct uio_info *uio, struct vm_area_struct *area)
{
	struct ivshmem *iv = container_of(uio, struct ivshmem, uio);
	struct uio_mem *map = &uio->mem[area->vm_pgoff];

	if (test_bit(area->vm_pgoff, &iv->read_only)) {
		if (area->vm_flags & VM_WRITE)
			return -EINVAL;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
		vm_flags_clear(area, VM_MAYWRITE);
#else
		area->vm_flags &= ~VM_MAYWRITE;
#endif
	}
	if (area->vm_end - area->vm_start > map->size)
		return -EINVAL;
	if (map->memtype == UIO_MEM_PHYS)
		area->vm_page_prot = pgprot_noncached(area->vm_page_prot);
	return remap_pfn_range(area, area->vm_start, map->addr >> PAGE_SHIFT,
			       area->vm_end - area->vm_start, area->vm_page_prot);
}

static int close_node(struct uio_info *uio, struct inode *inode)
{
	struct ivshmem *iv = container_of(uio, struct ivshmem, uio);

	writel(0, iv->registers + REG_STATE);
	return 0;
}

static irqreturn_t any_vector(int irq, struct uio_info *uio)
{
	return IRQ_HANDLED; /* the UIO core counts it */
}

static irqreturn_t other_vector(int irq, void *context)
{
	uio_event_notify(context);
	return IRQ_HANDLED;
}

static void add_map(struct ivshmem *iv, int *count, const char *name, phys_addr_t start, u64 size,
		    bool read_only)
{
	struct uio_mem *map = &iv->uio.mem[*count];

	if (size == 0)
		return;
	map->name = name;
	map->addr = start;
	map->size = size;
	map->memtype = *count == 0 ? UIO_MEM_PHYS : UIO_MEM_IOVA;
	if (read_only)
		__set_bit(*count, &iv->read_only);
	++*count;
}

static int add_maps(struct ivshmem *iv)
{
	u32 state_table = 0;
	u64 read_write, output, start, inputs;
	u32 id = readl(iv->registers + REG_ID);
	u32 peers = readl(iv->registers + REG_MAX_PEERS);
	u8 length = 0;
	int count = 0;

	pci_read_config_byte(iv->pci, iv->capability + CAP_LENGTH, &length);
	if (length < LEAST_LENGTH || id >= peers)
		return -ENODEV;
	pci_read_config_dword(iv->pci, iv->capability + CAP_STATE_TABLE, &state_table);
	read_write = capability_u64(iv, CAP_READ_WRITE);
	output = capability_u64(iv, CAP_OUTPUT);
	start = pci_resource_start(iv->pci, 2);
	if (!start && length >= LENGTH_WITH_ADDRESS)
		start = capability_u64(iv, CAP_ADDRESS);
	if (!start)
		return -ENODEV;
	inputs = start + state_table + read_write;

	add_map(iv, &count, "registers", pci_resource_start(iv->pci, 0),
		pci_resource_len(iv->pci, 0), false);
	add_map(iv, &count, "state_table", start, state_table, true);
	add_map(iv, &count, "rw_section", start + state_table, read_write, false);
	add_map(iv, &count, "input_sections", inputs, output * peers, true);
	add_map(iv, &count, "output_section", inputs + output * id, output, false);
	return 0;
}

static void free_other_vectors(struct ivshmem *iv, int end)
{
	while (--end > 0)
		free_irq(pci_irq_vector(iv->pci, end), &iv->uio);
}

/* The UIO core requests vector 0 itself. */
static int request_other_vectors(struct ivshmem *iv)
{
	int vector, error;

	for (vector = 1; vector < iv->vectors; vector++) {
		error = request_irq(pci_irq_vector(iv->pci, vector), other_vector, 0, "uio_ivshmem",
				    &iv->uio);
		if (error) {
			free_other_vectors(iv, vector);
			return error;
		}
	}
	return 0;
}

static int start(struct ivshmem *iv)
{
	u8 control = 0;
	int error;

	iv->capability = pci_find_capability(iv->pci, PCI_CAP_ID_VNDR);
	if (!iv->capability)
		return -ENODEV;
	error = add_maps(iv);
	if (error)
		return error;
	pci_set_master(iv->pci);
	pci_read_config_byte(iv->pci, iv->capability + CAP_PRIVILEGED, &control);
	pci_write_config_byte(iv->pci, iv->capability + CAP_PRIVILEGED, control | ONE_SHOT);

	iv->vectors = pci_alloc_irq_vectors(iv->pci, 1, MOST_VECTORS, PCI_IRQ_MSIX);
	if (iv->vectors > 0) {
		iv->uio.irq = pci_irq_vector(iv->pci, 0);
	} else if (iv->pci->irq) {
		iv->uio.irq = iv->pci->irq;
		iv->uio.irq_flags = IRQF_SHARED;
	}
	return 0;
}

static int probe(struct pci_dev *pci, const struct pci_device_id *id)
{
	struct ivshmem *iv = kzalloc(sizeof(*iv), GFP_KERNEL);
	int error;

	if (!iv)
		return -ENOMEM;
	iv->pci = pci;
	iv->uio.name = "uio_ivshmem";
	iv->uio.version = "0";
	iv->uio.handler = any_vector;
	iv->uio.mmap = map_node;
	iv->uio.release = close_node;
	error = pci_enable_device(pci);
	if (error)
		goto fail;
	iv->registers = pci_iomap(pci, 0, 0);
	error = iv->registers ? start(iv) : -ENOMEM;
	if (error)
		goto disable;
	error = uio_register_device(&pci->dev, &iv->uio);
	if (error)
		goto disable;
	error = request_other_vectors(iv);
	if (error)
		goto unregister;
	pci_set_drvdata(pci, iv);
	return 0;

unregister:
	uio_unregister_device(&iv->uio);
disable:
	pci_free_irq_vectors(pci);
	if (iv->registers)
		pci_iounmap(pci, iv->registers);
	pci_disable_device(pci);
fail:
	kfree(iv);
	return error;
}

static void remove(struct pci_dev *pci)
{
	struct ivshmem *iv = pci_get_drvdata(pci);

	free_other_vectors(iv, iv->vectors);
	uio_unregister_device(&iv->uio);
	pci_free_irq_vectors(pci);
	pci_iounmap(pci, iv->registers);
	pci_disable_device(pci);
	kfree(iv);
}

/* Protocol 0 ("undefined") only; devices of other protocols by driver_override. */
static const struct pci_device_id ids[] = {
	{ PCI_DEVICE(0x110a, 0x4106), .class = 0xff0000, .class_mask = 0xffffff },
	{}
};
MODULE_DEVICE_TABLE(pci, ids);

static struct pci_driver ivshmem_driver = {
	.name = "uio_ivshmem",
	.id_table = ids,
	.probe = probe,
	.remove = remove,
};
module_pci_driver(ivshmem_driver);

MODULE_DESCRIPTION("Test: UIO node with named maps for ivshmem-v2");
MODULE_AUTHOR("The libivshmem authors");
MODULE_LICENSE("Dual MIT/GPL");
