/** A driver of one's own, as CONTRIBUTING.md shows it, in plain JavaScript: Texas Instruments TMP105 (SBOS295). */
export default {
  name: "tmp105",
  chip: "Texas Instruments TMP105",
  description: "thermometer",
  datasheet: "SBOS295",
  bus: "i2c",
  addresses: [0x48],
  fields: { temperature: { unit: "°C", precision: 2, deviceClass: "temperature" } },
  options: {},
  async open(device) {
    return {
      async read() {
        const [high, low] = await device.exchange([0x00], 2);
        return { temperature: (((high << 8) | low) << 16) / 2 ** 24 };
      },
    };
  },
};
