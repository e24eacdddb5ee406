import { groups, nativePart, user } from "./access.ts";
import { gpioChip, i2cBuses, oneWireBus, serialConsole, serialPorts, spiDevices } from "./buses.ts";
import { cardErrors, cardWear } from "./card.ts";
import {
  brokerCertificateDates,
  brokerCertificateName,
  brokerTrust,
  clientKey,
  ownCertificates,
} from "./certificates.ts";
import type { Check } from "./check.ts";
import { cgroups, memory, nodeVersion, power, swap, temperature, watchdog, wifi } from "./computer.ts";
import { configFile, configuration, identity, secrets } from "./configuration.ts";
import { diskSpace, fileSystem, inodes, mountOptions, outboxFolder, tail } from "./disk.ts";
import { lines } from "./lines.ts";
import { brokerName, brokerPort } from "./network.ts";
import { outbox, outboxOwner } from "./outbox.ts";
import { outputChips, pwmChannels } from "./outputs.ts";
import { sensors } from "./sensors.ts";
import { journal, runningNode, safeOutputs, service } from "./service.ts";
import { brokerConnect, brokerLimits, brokerPublish, brokerSubscribe, clientIdInUse } from "./session.ts";
import { batteryClock, clockOffset, clockSet, timeService, timeZone } from "./time.ts";

/** Everything that is looked at, in the order in which it is shown. */
export const CHECKS: readonly Check[] = [
  ...[configuration, configFile, secrets, identity],
  ...[nodeVersion, user, groups, nativePart, memory, swap, cgroups, power, temperature, watchdog, wifi],
  ...[clockSet, timeService, clockOffset, batteryClock, timeZone],
  ...[
    outboxFolder,
    outbox,
    outboxOwner,
    diskSpace,
    inodes,
    fileSystem,
    mountOptions,
    tail,
    cardWear,
    cardErrors,
  ],
  ...[
    i2cBuses,
    spiDevices,
    serialPorts,
    serialConsole,
    oneWireBus,
    gpioChip,
    lines,
    sensors,
    outputChips,
    pwmChannels,
  ],
  ...[runningNode, service, safeOutputs, journal],
  ...[
    brokerName,
    brokerPort,
    brokerTrust,
    brokerCertificateName,
    brokerCertificateDates,
    ownCertificates,
    clientKey,
  ],
  ...[brokerConnect, brokerLimits, brokerSubscribe, brokerPublish, clientIdInUse],
];
