// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton bus monitor: platform driver
 */

#include <linux/debugfs.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/platform_device.h>

#include "baton-monitor.h"

/**
 * baton_monitor_read64 - read a 64-bit register
 * @mon: the monitor
 * @reg_lo: its lower half, the read of which latches the upper one
 */
u64 baton_monitor_read64(struct baton_monitor *mon, u32 reg_lo)
{
	unsigned long flags;
	u64 value;

	raw_spin_lock_irqsave(&mon->lock, flags);
	value = baton_monitor_read(mon, reg_lo);
	value |= (u64)baton_monitor_read(mon, reg_lo + 4) << 32;
	raw_spin_unlock_irqrestore(&mon->lock, flags);

	return value;
}

static void baton_monitor_set_ctrl(struct baton_monitor *mon, u32 bits, bool on)
{
	u32 ctrl = baton_monitor_read(mon, A_MON_CTRL);

	lockdep_assert_held(&mon->lock);
	baton_monitor_write(mon, A_MON_CTRL, on ? ctrl | bits : ctrl & ~bits);
}

/**
 * baton_monitor_update_ctrl - set or clear bits of MON_CTRL
 * @mon: the monitor
 * @bits: the bits
 * @on: true to set them
 */
void baton_monitor_update_ctrl(struct baton_monitor *mon, u32 bits, bool on)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&mon->lock, flags);
	baton_monitor_set_ctrl(mon, bits, on);
	raw_spin_unlock_irqrestore(&mon->lock, flags);
}

/**
 * baton_monitor_count - let the counters count, or stop
 * @mon: the monitor
 * @on: false undoes one call with true
 */
void baton_monitor_count(struct baton_monitor *mon, bool on)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&mon->lock, flags);
	mon->counting += on ? 1 : -1;
	baton_monitor_set_ctrl(mon, R_MON_CTRL_COUNT_MASK, mon->counting);
	raw_spin_unlock_irqrestore(&mon->lock, flags);
}

static void baton_monitor_read_name(struct baton_monitor *mon, unsigned int master)
{
	unsigned int i;

	for (i = 0; i < BATON_MONITOR_NAME_SIZE; i += 4) {
		u32 reg = baton_monitor_master_reg(master, A_MASTER_NAME0 + i);
		__le32 word = cpu_to_le32(baton_monitor_read(mon, reg));

		memcpy(mon->names[master] + i, &word, 4);
	}
}

static int baton_monitor_identify(struct baton_monitor *mon)
{
	u32 id = baton_monitor_read(mon, A_MON_ID);
	u32 version = baton_monitor_read(mon, A_MON_VERSION);
	u32 caps = baton_monitor_read(mon, A_MON_CAPS);
	unsigned int i;

	if (id != BATON_MONITOR_ID || FIELD_EX32(version, MON_VERSION, MAJOR) != 1)
		return dev_err_probe(mon->dev, -ENODEV,
				     "ID 0x%08x, version 0x%08x: no bus monitor 1.x\n",
				     id, version);

	mon->num_masters = min_t(u32, FIELD_EX32(caps, MON_CAPS, MASTERS), BATON_MONITOR_MASTERS);
	mon->num_records = FIELD_EX32(caps, MON_CAPS, RECORDS);
	for (i = 0; i < mon->num_masters; i++)
		baton_monitor_read_name(mon, i);

	return 0;
}

static int baton_monitor_probe(struct platform_device *pdev)
{
	struct baton_monitor *mon;
	int ret;

	mon = devm_kzalloc(&pdev->dev, sizeof(*mon), GFP_KERNEL);
	if (!mon)
		return -ENOMEM;

	mon->dev = &pdev->dev;
	raw_spin_lock_init(&mon->lock);
	ret = devm_mutex_init(&pdev->dev, &mon->select_lock);
	if (ret)
		return ret;

	mon->regs = devm_platform_ioremap_resource(pdev, 0);
	if (IS_ERR(mon->regs))
		return PTR_ERR(mon->regs);

	ret = baton_monitor_identify(mon);
	if (ret)
		return ret;

	baton_monitor_write(mon, A_MON_CTRL, R_MON_CTRL_RESET_MASK);
	ret = baton_monitor_pmu_register(mon);
	if (ret)
		return ret;

	platform_set_drvdata(pdev, mon);
	baton_monitor_debugfs_register(mon);

	return 0;
}

static void baton_monitor_remove(struct platform_device *pdev)
{
	struct baton_monitor *mon = platform_get_drvdata(pdev);

	debugfs_remove_recursive(mon->debugfs);
	baton_monitor_pmu_unregister(mon);
	baton_monitor_write(mon, A_MON_CTRL, R_MON_CTRL_RESET_MASK);
}

static const struct of_device_id baton_monitor_of_match[] = {
	{ .compatible = "baton,monitor-1.0" },
	{ }
};
MODULE_DEVICE_TABLE(of, baton_monitor_of_match);

static struct platform_driver baton_monitor_driver = {
	.driver = {
		.name = "baton-monitor",
		.of_match_table = baton_monitor_of_match,
		/* A perf event holds the module, not the device. */
		.suppress_bind_attrs = true,
	},
	.probe = baton_monitor_probe,
	.remove = baton_monitor_remove,
};

static int __init baton_monitor_init(void)
{
	int ret;

	ret = baton_monitor_pmu_init();
	if (ret)
		return ret;

	ret = platform_driver_register(&baton_monitor_driver);
	if (ret)
		baton_monitor_pmu_exit();

	return ret;
}
module_init(baton_monitor_init);

static void __exit baton_monitor_exit(void)
{
	platform_driver_unregister(&baton_monitor_driver);
	baton_monitor_pmu_exit();
}
module_exit(baton_monitor_exit);

MODULE_DESCRIPTION("Baton bus monitor");
MODULE_LICENSE("GPL");
