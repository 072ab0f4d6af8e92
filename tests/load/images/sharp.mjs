// The other side: `node sharp.mjs FOLDER WORKERS ROUNDS FILE…`, the same job as ours.rs, in the fastest way that sharp has for it:
// decode once (scaled, turned), keep the pixels, and make the ten outputs from them.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import sharp from 'sharp';

const [folder, workers, rounds, ...files] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
sharp.cache(false);
const photos = files.map((file) => readFileSync(file));
const widths = [1920, 1280, 960, 640, 320];

async function run(photo) {
  const size = { width: widths[0], withoutEnlargement: true };
  const { data, info } = await sharp(photo).rotate().resize(size).toColourspace('srgb').raw().toBuffer({ resolveWithObject: true });
  const raw = { width: info.width, height: info.height, channels: info.channels };
  const at = (width) => sharp(data, { raw }).resize({ width, withoutEnlargement: true });
  const rungs = [...new Set([...widths.filter((width) => width <= info.width), info.width])];
  const made = rungs.flatMap((width) => [
    at(width).webp({ quality: 78 }).toBuffer().then((bytes) => [`${width}.webp`, bytes]),
    at(width).jpeg({ quality: 80 }).toBuffer().then((bytes) => [`${width}.jpg`, bytes]),
  ]);
  return Promise.all(made);
}

await run(photos[0]);
const total = Number(rounds) * photos.length;
const [begin, processor] = [process.hrtime.bigint(), process.cpuUsage()];
let [next, bytes] = [0, 0];
async function worker() {
  while (next < total) {
    const index = next++;
    for (const [name, made] of await run(photos[index % photos.length])) {
      bytes += made.length;
      if (index + photos.length >= total) writeFileSync(`${folder}/${index % photos.length}-${name}`, made);
    }
  }
}
await Promise.all(Array.from({ length: Number(workers) }, worker));
const wall = Number(process.hrtime.bigint() - begin) / 1e6 / total;
const spent = process.cpuUsage(processor);
console.log(`sharp ${workers} worker(s): ${wall.toFixed(0)} ms and ${((spent.user + spent.system) / 1000 / total).toFixed(0)} ms of processor time a photo, ${Math.round(bytes / total)} bytes, peak ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB`);
