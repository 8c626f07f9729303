/** The hosts and the stations on them, made when a measurement first needs them. */
import { CARD_NAMES } from '../cards.mjs';
import { Hosts } from './hosts.mjs';
import { allowSsh } from './mpi.mjs';
import { ContainerStation, GuestStation } from './station.mjs';

/** The share of the bytes through a guest's cards that must have passed the measured one. */
const MIN_SHARE = 0.9;

export class Site {
  #images;
  #hosts;
  /** @type {Record<string, GuestStation | ContainerStation>} */
  #stations = {};

  /**
   * @param {{small: import('../guest/images.mjs').SmallImage, requestResponse: string, disk?: string}} images with a
   *   disk, the guests can compute
   */
  constructor(images) {
    this.#images = images;
  }

  /**
   * Measures a case once, over a card.
   *
   * @param {import('../case.mjs').Case} one
   * @param {import('../cards.mjs').Card} card
   */
  async measure(one, card) {
    await this.#prepare(one.between);
    await this.#hosts.shape(one.shaped);
    const guests = one.between.filter((station) => station !== 'container');
    const before = await this.#bytes(guests);
    const figures = await one.measure(this.#stations, card);
    const after = await this.#bytes(guests);
    for (const guest of guests) checkCard(`${one.name}, guest ${guest}`, card, before[guest], after[guest]);
    return figures;
  }

  /** @param {import('../cards.mjs').Station[]} guests */
  async #bytes(guests) {
    const bytes = {};
    for (const guest of guests) bytes[guest] = await this.#hosts.bytesOf(guest);
    return bytes;
  }

  /** @param {import('../cards.mjs').Station[]} between */
  async #prepare(between) {
    this.#hosts ??= await Hosts.build();
    const missing = between.filter((name) => !(name in this.#stations));
    // Together, as a boot uses one processor. Waits for all, so that none comes up after a failure.
    const started = await Promise.allSettled(missing.map((name) => this.#start(name)));
    for (const result of started) if (result.status === 'rejected') throw result.reason;
    if (missing.includes('a') && this.#images.disk !== undefined) await allowSsh(this.#stations);
  }

  /** @param {import('../cards.mjs').Station} name */
  async #start(name) {
    if (name === 'container') {
      await this.#hosts.addContainer();
      this.#stations[name] = await ContainerStation.start(
        this.#hosts.container,
        this.#images.requestResponse,
      );
      return;
    }
    const { small: image, disk } = this.#images;
    this.#stations[name] = await GuestStation.boot({ name, hosts: this.#hosts, image, disk });
  }

  /** Ends the stations, then removes the hosts. */
  async remove() {
    const stations = Object.values(this.#stations);
    this.#stations = {};
    for (const station of stations) await station.stop();
    await this.#hosts?.remove();
    this.#hosts = undefined;
  }
}

/**
 * A figure counts only if the traffic passed the card that was to be measured.
 *
 * @param {string} what
 * @param {import('../cards.mjs').Card} card
 * @param {Record<string, number>} before
 * @param {Record<string, number>} after
 */
function checkCard(what, card, before, after) {
  const passed = Object.fromEntries(CARD_NAMES.map((name) => [name, after[name] - before[name]]));
  const all = Object.values(passed).reduce((a, b) => a + b, 0);
  if (passed[card] > 0 && passed[card] >= MIN_SHARE * all) return;
  throw new Error(
    `${what}: measured over ${card}, but the bytes passed by card are ${JSON.stringify(passed)}`,
  );
}
