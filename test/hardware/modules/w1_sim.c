// SPDX-License-Identifier: GPL-2.0
/*
 * A 1-Wire bus with up to ten DS18B20 thermometers, bit by bit, for tests only: the kernel's own search and w1_therm
 * run against it unchanged. Every chip hears every bit, and the bus is the AND of what they answer. Section names and
 * codes are those of the DS18B20 datasheet (19-7487 revision 6).
 *
 * Parameters, one value per chip: temperature (thousandths of a degree Celsius), fault (see below); and count: how many
 * chips there are, two by default; shorted: the bus is held low; conversions: how often the chips were told to measure.
 */
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/w1.h>

enum fault { NONE, ABSENT, WRONG_CRC, STAYS_AT_POWER_ON };

#define MOST 10

static int temperature[MOST] = { 21500, 22500, 23500, 24500, 25500, 26500, 27500, 28500, 29500, 30500 };
module_param_array(temperature, int, NULL, 0644);
static int fault[MOST];
module_param_array(fault, int, NULL, 0644);
static unsigned int count = 2;
module_param(count, uint, 0444);
static unsigned int conversions;
module_param(conversions, uint, 0444);
static bool shorted;
module_param(shorted, bool, 0644);

enum state { ASLEEP, ROM_COMMAND, MATCHING, SEARCHING, FUNCTION, READING, WRITING, CONVERTING, ANSWERING };

struct chip {
	u8 rom[8];
	u8 scratchpad[9];
	enum state state;
	unsigned int bit;	/* within the state */
	u8 heard;		/* the byte that is being received */
	unsigned long ready;	/* jiffies at which the conversion ends */
};

static struct chip chips[MOST];

static bool bit_of(const u8 *bytes, unsigned int bit)
{
	return bytes[bit / 8] >> (bit % 8) & 1;
}

static void enter(struct chip *chip, enum state state)
{
	chip->state = state;
	chip->bit = 0;
}

/* "Convert T [44h]"; the resolution is in bits 5 and 6 of the configuration register, 0 is 9 bits. */
static void convert(struct chip *chip, int index)
{
	int coarser = 3 - (chip->scratchpad[4] >> 5 & 3);
	int sixteenths = DIV_ROUND_CLOSEST(temperature[index] * 16, 1000) >> coarser << coarser;

	if (fault[index] == STAYS_AT_POWER_ON)
		sixteenths = 85 * 16;
	chip->scratchpad[0] = sixteenths;
	chip->scratchpad[1] = sixteenths >> 8;
	chip->ready = jiffies + msecs_to_jiffies(750 >> coarser);
	conversions++;
	enter(chip, CONVERTING);
}

static void start_reading(struct chip *chip, int index)
{
	chip->scratchpad[8] = w1_calc_crc8(chip->scratchpad, 8);
	if (fault[index] == WRONG_CRC)
		chip->scratchpad[8] ^= 0xff;
	enter(chip, READING);
}

static void obey_rom_command(struct chip *chip)
{
	switch (chip->heard) {
	case 0xcc: /* Skip ROM */
		return enter(chip, FUNCTION);
	case 0x55: /* Match ROM */
		return enter(chip, MATCHING);
	case 0xf0: /* Search ROM */
		return enter(chip, SEARCHING);
	default:
		return enter(chip, ASLEEP);
	}
}

static void obey_function_command(struct chip *chip, int index)
{
	switch (chip->heard) {
	case 0x44: /* Convert T */
		return convert(chip, index);
	case 0xbe: /* Read Scratchpad */
		return start_reading(chip, index);
	case 0x4e: /* Write Scratchpad */
		return enter(chip, WRITING);
	case 0x48: /* Copy Scratchpad */
	case 0xb8: /* Recall E2 */
	case 0xb4: /* Read Power Supply: all ones, powered externally */
		return enter(chip, ANSWERING);
	default:
		return enter(chip, ASLEEP);
	}
}

/* TH, TL and configuration register follow each other in the scratchpad. */
static void store_written(struct chip *chip)
{
	unsigned int nth = chip->bit / 8;

	chip->scratchpad[1 + nth] = nth == 3 ? (chip->heard & 0x60) | 0x1f : chip->heard;
	if (nth == 3)
		enter(chip, ASLEEP);
}

/* Three slots a bit: the chip says it, then its complement; then the master says which chips go on. */
static bool search(struct chip *chip, bool sent)
{
	bool own = bit_of(chip->rom, chip->bit / 3);

	switch (chip->bit++ % 3) {
	case 0:
		return own;
	case 1:
		return !own;
	default:
		if (sent != own)
			enter(chip, ASLEEP);
		else if (chip->bit == 3 * 64)
			enter(chip, FUNCTION);
		return true;
	}
}

static void receive(struct chip *chip, int index, bool sent)
{
	chip->heard = chip->heard >> 1 | sent << 7;
	if (++chip->bit % 8)
		return;
	if (chip->state == ROM_COMMAND)
		obey_rom_command(chip);
	else if (chip->state == FUNCTION)
		obey_function_command(chip, index);
	else
		store_written(chip);
}

/* One time slot. The master sends 0 or 1; 1 also lets the chip answer. */
static bool slot(struct chip *chip, int index, bool sent)
{
	switch (chip->state) {
	case ROM_COMMAND:
	case FUNCTION:
	case WRITING:
		receive(chip, index, sent);
		return true;
	case MATCHING:
		if (sent != bit_of(chip->rom, chip->bit++))
			enter(chip, ASLEEP);
		else if (chip->bit == 64)
			enter(chip, FUNCTION);
		return true;
	case SEARCHING:
		return search(chip, sent);
	case READING:
		return chip->bit >= 72 || bit_of(chip->scratchpad, chip->bit++);
	case CONVERTING:
		return time_after_eq(jiffies, chip->ready);
	default:
		return true;
	}
}

static u8 touch_bit(void *data, u8 sent)
{
	bool level = sent;
	int i;

	for (i = 0; i < count; i++)
		if (fault[i] != ABSENT)
			level &= slot(&chips[i], i, sent);
	return level && !shorted;
}

/* 0: somebody is there. A bus held low looks the same. */
static u8 reset_bus(void *data)
{
	bool present = shorted;
	int i;

	for (i = 0; i < count; i++) {
		present |= fault[i] != ABSENT;
		enter(&chips[i], ROM_COMMAND);
	}
	return !present;
}

static struct w1_bus_master master = {
	.touch_bit = touch_bit,
	.reset_bus = reset_bus,
};

static int __init sim_init(void)
{
	int i;

	if (count > MOST)
		return -EINVAL;
	for (i = 0; i < count; i++) {
		u8 rom[8] = { 0x28, 0x10 + i, 0x32, 0x54, 0x76, 0x98, 0x00 };
		/* "Power-on reset": 85 degrees, TH 75, TL 70, 12 bits */
		u8 scratchpad[9] = { 0x50, 0x05, 0x4b, 0x46, 0x7f, 0xff, 0x0c, 0x10 };

		rom[7] = w1_calc_crc8(rom, 7);
		memcpy(chips[i].rom, rom, sizeof(rom));
		memcpy(chips[i].scratchpad, scratchpad, sizeof(scratchpad));
	}
	return w1_add_master_device(&master);
}

static void __exit sim_exit(void)
{
	w1_remove_master_device(&master);
}

module_init(sim_init);
module_exit(sim_exit);
MODULE_DESCRIPTION("1-Wire bus with DS18B20 thermometers for tests");
MODULE_LICENSE("GPL");
