import { LibvirtTransportError } from '../libvirt/errors.ts';

/**
 * A call that a hung QEMU keeps waiting holds one of the daemon's workers, 20 by default (max_workers), until that QEMU
 * answers; with none left the daemon serves nobody. From this many hanging calls on the reader of statistics goes
 * carefully: most hosts with so many hung QEMUs have a common cause, storage that is away for example, and more follow.
 */
const STRAINED = 12;
/** What needs a word with QEMU is not asked beyond this: five workers stay for the host's owner and other clients. */
const MOST_WITH_QEMU = 15;
/** What needs none goes on, as it ends by itself; this bounds it where it does not (a pool whose storage is away). */
const MOST = 18;

/** One worker of the daemon, as long as a call has not been answered. */
export interface HeldWorker {
  /** The call is late: whoever waited goes on, and the daemon does not. */
  readonly late: () => void;
  readonly release: () => void;
}

interface Waiting {
  readonly needsQemu: boolean;
  readonly resolve: (held: HeldWorker) => void;
  readonly reject: (error: Error) => void;
}

/** Counts the daemon's workers that unanswered calls hold, over all connections of the exporter's statistics. */
export class DaemonWorkers {
  #late = 0;
  #active = 0;
  /** Of the active ones. */
  #activeWithQemu = 0;
  #waiting: Waiting[] = [];

  /** Whether so many calls hang that more of them would endanger the daemon. */
  get isStrained(): boolean {
    return this.#late >= STRAINED;
  }

  /**
   * Waits for a worker that may be used; calls under way end or are late within seconds.
   * @throws LibvirtTransportError when too many calls hang
   */
  take(needsQemu: boolean): Promise<HeldWorker> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ needsQemu, resolve, reject });
      this.#admit();
    });
  }

  #admit(): void {
    this.#waiting = this.#waiting.filter(({ needsQemu, resolve, reject }) => {
      if (this.#late >= (needsQemu ? MOST_WITH_QEMU : MOST)) {
        reject(
          new LibvirtTransportError(
            'ERR_LIBVIRT_UNRESPONSIVE',
            `${this.#late} calls wait for domains that do not answer; no more are made until some do`,
          ),
        );
        return false;
      }
      const hasRoom =
        this.#late + this.#active < MOST &&
        (!needsQemu || this.#late + this.#activeWithQemu < MOST_WITH_QEMU);
      if (hasRoom) resolve(this.#hold(needsQemu));
      return !hasRoom;
    });
  }

  #hold(needsQemu: boolean): HeldWorker {
    const ofQemu = needsQemu ? 1 : 0;
    this.#active += 1;
    this.#activeWithQemu += ofQemu;
    let isLate = false;
    const endActive = (): void => {
      this.#active -= 1;
      this.#activeWithQemu -= ofQemu;
    };
    return {
      late: () => {
        isLate = true;
        endActive();
        this.#late += 1;
        this.#admit();
      },
      release: () => {
        if (isLate) this.#late -= 1;
        else endActive();
        this.#admit();
      },
    };
  }
}
