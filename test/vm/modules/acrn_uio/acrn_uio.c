// SPDX-License-Identifier: MIT OR GPL-2.0-or-later
// SPDX-FileCopyrightText: The libivshmem authors
/*
 * A test's driver for 1af4:1110 that a program cannot tell from the uio_pci_generic of ACRN's kernel:
 * the node /dev/uioN has no interrupt of its own, and an ioctl binds an eventfd to each MSI-X vector.
 *
 * The UIO core of other kernels passes no ioctl to its drivers. So this module does not use that
 * core, and creates the class and the node itself; uio.ko must not be loaded beside it.
 */
#include <linux/cdev.h>
#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/version.h>

#define MOST_NODES 8

struct msix_binding { /* the ioctl's argument: an eventfd, or -1 to disable the vector */
	int fd;
	int vector;
};
#define BIND_MSIX _IOW('u', 100, struct msix_binding)

struct node {
	struct pci_dev *pci;
	struct device *dev;
	struct cdev cdev;
	struct mutex lock; /* of the bindings */
	int minor;
	int vectors;
	struct eventfd_ctx *bound[];
};

static struct class *uio_class;
static dev_t first_number;
static DEFINE_MUTEX(minors_lock);
static unsigned long minors;

static irqreturn_t ring(int irq, void *context)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	eventfd_signal(context);
#else
	eventfd_signal(context, 1);
#endif
	return IRQ_HANDLED;
}

static void unbind_vector(struct node *node, int vector)
{
	struct eventfd_ctx *context = node->bound[vector];

	if (!context)
		return;
	node->bound[vector] = NULL;
	free_irq(pci_irq_vector(node->pci, vector), context);
	eventfd_ctx_put(context);
}

static long bind_vector(struct node *node, int fd, int vector)
{
	struct eventfd_ctx *context;
	int error;

	if (vector < 0 || vector >= node->vectors)
		return -EINVAL;
	if (fd < 0) {
		unbind_vector(node, vector);
		return 0;
	}
	context = eventfd_ctx_fdget(fd);
	if (IS_ERR(context))
		return PTR_ERR(context);
	unbind_vector(node, vector);
	error = request_irq(pci_irq_vector(node->pci, vector), ring, 0, "acrn_uio", context);
	if (error)
		eventfd_ctx_put(context);
	else
		node->bound[vector] = context;
	return error;
}

static int node_open(struct inode *inode, struct file *file)
{
	file->private_data = container_of(inode->i_cdev, struct node, cdev);
	return 0;
}

static int node_release(struct inode *inode, struct file *file)
{
	struct node *node = file->private_data;

	pci_clear_master(node->pci); /* as uio_pci_generic does with each close */
	return 0;
}

static long node_ioctl(struct file *file, unsigned int request, unsigned long argument)
{
	struct node *node = file->private_data;
	struct msix_binding wanted;
	long result;

	if (request != BIND_MSIX)
		return -EINVAL;
	if (copy_from_user(&wanted, (void __user *)argument, sizeof(wanted)))
		return -EFAULT;
	mutex_lock(&node->lock);
	result = bind_vector(node, wanted.fd, wanted.vector);
	mutex_unlock(&node->lock);
	return result;
}

/* UIO without an interrupt: reading fails, and poll() reports an error as an event. */
static ssize_t node_read(struct file *file, char __user *buffer, size_t size, loff_t *at)
{
	return -EIO;
}

static ssize_t node_write(struct file *file, const char __user *buffer, size_t size, loff_t *at)
{
	return -EIO;
}

static __poll_t node_poll(struct file *file, poll_table *table)
{
	return (__force __poll_t)-EIO;
}

static const struct file_operations node_operations = {
	.owner = THIS_MODULE,
	.open = node_open,
	.release = node_release,
	.read = node_read,
	.write = node_write,
	.poll = node_poll,
	.unlocked_ioctl = node_ioctl,
	.llseek = noop_llseek,
};

static int take_minor(void)
{
	int minor;

	mutex_lock(&minors_lock);
	minor = find_first_zero_bit(&minors, MOST_NODES);
	if (minor < MOST_NODES)
		__set_bit(minor, &minors);
	mutex_unlock(&minors_lock);
	return minor < MOST_NODES ? minor : -ENOSPC;
}

static void give_minor_back(int minor)
{
	mutex_lock(&minors_lock);
	__clear_bit(minor, &minors);
	mutex_unlock(&minors_lock);
}

static int add_node(struct node *node)
{
	int error;
	dev_t number;

	node->minor = take_minor();
	if (node->minor < 0)
		return node->minor;
	number = MKDEV(MAJOR(first_number), node->minor);
	cdev_init(&node->cdev, &node_operations);
	node->cdev.owner = THIS_MODULE;
	error = cdev_add(&node->cdev, number, 1);
	if (error)
		goto fail;
	node->dev = device_create(uio_class, &node->pci->dev, number, node, "uio%d", node->minor);
	if (!IS_ERR(node->dev))
		return 0;
	error = PTR_ERR(node->dev);
	cdev_del(&node->cdev);
fail:
	give_minor_back(node->minor);
	return error;
}

static int probe(struct pci_dev *pci, const struct pci_device_id *id)
{
	struct node *node;
	int vectors = pci_msix_vec_count(pci);
	int error;

	if (vectors <= 0)
		return -ENODEV;
	node = kzalloc(struct_size(node, bound, vectors), GFP_KERNEL);
	if (!node)
		return -ENOMEM;
	node->pci = pci;
	node->vectors = vectors;
	mutex_init(&node->lock);
	error = pci_enable_device(pci);
	if (error)
		goto fail;
	error = pci_alloc_irq_vectors(pci, vectors, vectors, PCI_IRQ_MSIX);
	if (error < 0)
		goto disable;
	error = add_node(node);
	if (error)
		goto free_vectors;
	pci_set_drvdata(pci, node);
	return 0;

free_vectors:
	pci_free_irq_vectors(pci);
disable:
	pci_disable_device(pci);
fail:
	kfree(node);
	return error;
}

/* The tests close the node before they unbind the device. */
static void remove(struct pci_dev *pci)
{
	struct node *node = pci_get_drvdata(pci);
	int vector;

	device_destroy(uio_class, node->cdev.dev);
	cdev_del(&node->cdev);
	for (vector = 0; vector < node->vectors; vector++)
		unbind_vector(node, vector);
	pci_free_irq_vectors(pci);
	pci_disable_device(pci);
	give_minor_back(node->minor);
	kfree(node);
}

static const struct pci_device_id no_ids[] = { {} }; /* by driver_override only */

static struct pci_driver driver = {
	.name = "uio_pci_generic",
	.id_table = no_ids,
	.probe = probe,
	.remove = remove,
};

static int __init load(void)
{
	int error = alloc_chrdev_region(&first_number, 0, MOST_NODES, "uio");

	if (error)
		return error;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	uio_class = class_create("uio");
#else
	uio_class = class_create(THIS_MODULE, "uio");
#endif
	if (IS_ERR(uio_class)) {
		error = PTR_ERR(uio_class);
		goto fail;
	}
	error = pci_register_driver(&driver);
	if (!error)
		return 0;
	class_destroy(uio_class);
fail:
	unregister_chrdev_region(first_number, MOST_NODES);
	return error;
}

static void __exit unload(void)
{
	pci_unregister_driver(&driver);
	class_destroy(uio_class);
	unregister_chrdev_region(first_number, MOST_NODES);
}

module_init(load);
module_exit(unload);
MODULE_DESCRIPTION("Test: MSI-X vectors of 1af4:1110 as eventfds, by the ioctl of ACRN's kernel");
MODULE_AUTHOR("The libivshmem authors");
MODULE_LICENSE("Dual MIT/GPL");
