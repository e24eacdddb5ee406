// SPDX-License-Identifier: GPL-2.0
/*
 * An SPI controller with three chips, for tests only: spidev and the programs above it run against it unchanged.
 *
 * Chip select 0: an MCP3008 (datasheet DS21295). Parameter adc: what its eight inputs read, 0 to 1023.
 * Chip select 1: a MAX31855 (datasheet 19-5793), which only ever answers. Parameter frame: its 32 bits.
 * Chip select 2: a MAX31865 (datasheet 19-6478). Parameter registers: its eight, which a program can also write.
 *
 * Parameter fail: while not 0, every message ends with that errno. The parameters mode and speed tell how the last
 * message came.
 */
#include <linux/err.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/spi/spi.h>

#define CHIPS 3

static int adc[8];
module_param_array(adc, int, NULL, 0644);
static unsigned int frame;
module_param(frame, uint, 0644);
static int registers[8];
module_param_array(registers, int, NULL, 0644);
static unsigned int fail;
module_param(fail, uint, 0644);
static unsigned int mode;
module_param(mode, uint, 0444);
static unsigned int speed;
module_param(speed, uint, 0444);

static struct platform_device *parent;
static struct spi_controller *controller;

/* Section 6.1: a start bit, single-ended or not, three bits of the channel; the ten bits of the answer end the third byte. */
static u8 mcp3008(unsigned int position, u8 sent)
{
	static int code;
	unsigned int channel = sent >> 4 & 7;

	switch (position) {
	case 1:
		code = sent & 0x80 ? adc[channel] : max(0, adc[channel] - adc[channel ^ 1]);
		return code >> 8 & 3;
	case 2:
		return code;
	default:
		return 0;
	}
}

static u8 max31855(unsigned int position)
{
	return position < 4 ? frame >> (24 - 8 * position) : 0;
}

/* "Serial Interface": the first byte is an address, with the top bit set to write; it goes on by itself. */
static u8 max31865(unsigned int position, u8 sent)
{
	static u8 address;
	unsigned int number;

	if (position == 0) {
		address = sent;
		return 0;
	}
	number = (address + position - 1) & 7;
	if (address & 0x80)
		registers[number] = sent;
	return registers[number];
}

static u8 answer(unsigned int chip, unsigned int position, u8 sent)
{
	switch (chip) {
	case 0:
		return mcp3008(position, sent);
	case 1:
		return max31855(position);
	default:
		return max31865(position, sent);
	}
}

static int carry(struct spi_controller *host, struct spi_message *message)
{
	unsigned int chip = spi_get_chipselect(message->spi, 0);
	struct spi_transfer *transfer;
	unsigned int position = 0, i;

	mode = message->spi->mode;
	message->actual_length = 0;
	message->status = -(int)fail;
	list_for_each_entry(transfer, &message->transfers, transfer_list) {
		const u8 *sent = transfer->tx_buf;
		u8 *received = transfer->rx_buf;

		speed = transfer->speed_hz;
		if (fail)
			break;
		for (i = 0; i < transfer->len; i++) {
			u8 byte = answer(chip, position++, sent ? sent[i] : 0);

			if (received)
				received[i] = byte;
		}
		message->actual_length += transfer->len;
	}
	spi_finalize_current_message(host);
	return 0;
}

static int __init sim_init(void)
{
	/* A chip whose driver is spidev: the kernel refuses to bind it to the name "spidev". */
	struct spi_board_info info = { .modalias = "dh2228fv", .max_speed_hz = 10000000 };
	int error;

	parent = platform_device_register_simple("spi-sim", -1, NULL, 0);
	if (IS_ERR(parent))
		return PTR_ERR(parent);
	error = -ENOMEM;
	controller = spi_alloc_host(&parent->dev, 0);
	if (!controller)
		goto no_controller;
	controller->bus_num = 0;
	controller->num_chipselect = CHIPS;
	controller->bits_per_word_mask = SPI_BPW_MASK(8);
	controller->mode_bits = SPI_CPOL | SPI_CPHA;
	controller->transfer_one_message = carry;
	error = spi_register_controller(controller);
	if (error)
		goto not_registered;
	for (info.chip_select = 0; info.chip_select < CHIPS; info.chip_select++)
		if (!spi_new_device(controller, &info))
			pr_err("spi_sim: no chip %u\n", info.chip_select);
	return 0;

not_registered:
	spi_controller_put(controller);
no_controller:
	platform_device_unregister(parent);
	return error;
}

static void __exit sim_exit(void)
{
	spi_unregister_controller(controller);
	platform_device_unregister(parent);
}

module_init(sim_init);
module_exit(sim_exit);
MODULE_DESCRIPTION("SPI controller with an MCP3008, a MAX31855 and a MAX31865 for tests");
MODULE_LICENSE("GPL");
