// SPDX-License-Identifier: GPL-2.0
/*
 * A pair of I2C adapters joined back to back, for tests only. What a program sends on "loop bus" reaches the slave
 * backend (such as i2c-slave-eeprom) that is registered at that address on "loop chips". Two adapters, because the
 * kernel refuses a program an address at which its own adapter has a client.
 *
 * Parameter fail: while not 0, every transfer ends with that errno, as adapters report a held line or a lost
 * arbitration (Documentation/i2c/fault-codes.rst).
 */
#include <linux/err.h>
#include <linux/i2c.h>
#include <linux/module.h>
#include <linux/platform_device.h>

static unsigned int fail;
module_param(fail, uint, 0644);

static struct i2c_client *chips[128];
static struct platform_device *parent;

static int read_from(struct i2c_client *chip, struct i2c_msg *message)
{
	int i;
	u8 byte;

	i2c_slave_event(chip, I2C_SLAVE_READ_REQUESTED, &byte);
	for (i = 0; i < message->len; i++) {
		message->buf[i] = byte;
		i2c_slave_event(chip, I2C_SLAVE_READ_PROCESSED, &byte);
	}
	return 0;
}

static int write_to(struct i2c_client *chip, struct i2c_msg *message)
{
	int i;
	u8 byte = 0;

	if (i2c_slave_event(chip, I2C_SLAVE_WRITE_REQUESTED, &byte))
		return -ENXIO;
	for (i = 0; i < message->len; i++) {
		byte = message->buf[i];
		if (i2c_slave_event(chip, I2C_SLAVE_WRITE_RECEIVED, &byte))
			return -EIO;
	}
	return 0;
}

static int transfer(struct i2c_adapter *adapter, struct i2c_msg *messages, int count)
{
	struct i2c_client *chip = NULL;
	int i, error = 0;
	u8 unused = 0;

	if (fail)
		return -(int)fail;
	for (i = 0; i < count && !error; i++) {
		chip = messages[i].addr < ARRAY_SIZE(chips) ? chips[messages[i].addr] : NULL;
		if (!chip)
			return -ENXIO;
		error = messages[i].flags & I2C_M_RD ? read_from(chip, &messages[i]) : write_to(chip, &messages[i]);
	}
	if (chip)
		i2c_slave_event(chip, I2C_SLAVE_STOP, &unused);
	return error ? error : count;
}

static u32 bus_abilities(struct i2c_adapter *adapter)
{
	return I2C_FUNC_I2C | I2C_FUNC_SMBUS_EMUL;
}

static int register_chip(struct i2c_client *chip)
{
	if (chip->addr >= ARRAY_SIZE(chips))
		return -EINVAL;
	if (chips[chip->addr])
		return -EBUSY;
	chips[chip->addr] = chip;
	return 0;
}

static int unregister_chip(struct i2c_client *chip)
{
	chips[chip->addr] = NULL;
	return 0;
}

static int refuse(struct i2c_adapter *adapter, struct i2c_msg *messages, int count)
{
	return -EOPNOTSUPP;
}

static u32 chips_abilities(struct i2c_adapter *adapter)
{
	return I2C_FUNC_SLAVE;
}

static const struct i2c_algorithm bus_algorithm = {
	.master_xfer = transfer,
	.functionality = bus_abilities,
};

static const struct i2c_algorithm chips_algorithm = {
	.master_xfer = refuse,
	.functionality = chips_abilities,
	.reg_slave = register_chip,
	.unreg_slave = unregister_chip,
};

static struct i2c_adapter bus_side = {
	.owner = THIS_MODULE,
	.name = "loop bus",
	.algo = &bus_algorithm,
};

static struct i2c_adapter chips_side = {
	.owner = THIS_MODULE,
	.name = "loop chips",
	.algo = &chips_algorithm,
};

static int __init loop_init(void)
{
	int error;

	parent = platform_device_register_simple("i2c-loop", -1, NULL, 0);
	if (IS_ERR(parent))
		return PTR_ERR(parent);
	bus_side.dev.parent = &parent->dev;
	chips_side.dev.parent = &parent->dev;
	error = i2c_add_adapter(&bus_side);
	if (error)
		goto no_bus;
	error = i2c_add_adapter(&chips_side);
	if (error)
		goto no_chips;
	return 0;

no_chips:
	i2c_del_adapter(&bus_side);
no_bus:
	platform_device_unregister(parent);
	return error;
}

static void __exit loop_exit(void)
{
	i2c_del_adapter(&chips_side);
	i2c_del_adapter(&bus_side);
	platform_device_unregister(parent);
}

module_init(loop_init);
module_exit(loop_exit);
MODULE_DESCRIPTION("Loop-back I2C bus for tests");
MODULE_LICENSE("GPL");
