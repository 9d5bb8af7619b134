// Sound of the microphone -> blocks of 16 kHz, 16 bit, channels interleaved. Runs in the audio thread.
const RATE = 16000, BLOCK = 1600, HALF = 24; // samples of output, and taps on either side of one

class Recorder extends AudioWorkletProcessor {
  constructor(options) {
    super();
    this.channels = options.processorOptions.channels;
    this.step = sampleRate / RATE;
    this.history = Array.from({ length: this.channels }, () => new Float32Array(0));
    this.next = 0; // of the next sample of output, in samples of the history
    this.block = new Int16Array(BLOCK * this.channels);
    this.filled = 0;
  }

  // A windowed sinc below half of the lower rate.
  sample(sound, position) {
    const cutoff = Math.min(1, RATE / sampleRate) * 0.95, first = Math.floor(position) - HALF + 1;
    let sum = 0, weights = 0;
    for (let n = first; n < first + 2 * HALF; n++) {
      const x = position - n, angle = Math.PI * x * cutoff;
      const weight = (Math.abs(angle) < 1e-9 ? 1 : Math.sin(angle) / angle) * (0.5 + 0.5 * Math.cos((Math.PI * x) / HALF));
      sum += weight * (sound[n] ?? 0);
      weights += weight;
    }
    return sum / weights;
  }

  process(inputs) {
    const input = inputs[0];
    if (!input.length) return true;
    this.history = this.history.map((old, channel) => {
      const fresh = input[Math.min(channel, input.length - 1)], joined = new Float32Array(old.length + fresh.length);
      joined.set(old);
      joined.set(fresh, old.length);
      return joined;
    });
    while (this.next + HALF < this.history[0].length) {
      for (const sound of this.history) {
        const value = Math.max(-1, Math.min(1, this.sample(sound, this.next)));
        this.block[this.filled++] = Math.round(value * 32767);
      }
      this.next += this.step;
      if (this.filled === this.block.length) {
        this.port.postMessage(this.block.slice().buffer);
        this.filled = 0;
      }
    }
    const done = Math.max(0, Math.floor(this.next) - HALF);
    this.history = this.history.map((sound) => sound.slice(done));
    this.next -= done;
    return true;
  }
}

registerProcessor("recorder", Recorder);
