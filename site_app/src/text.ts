// Numbers and texts written as Python writes them, so that a page of the site reads like the same page of the explorer.

const BLANKS = "\\t\\n\\v\\f\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const AROUND = new RegExp(`^[${BLANKS}]+|[${BLANKS}]+$`, "g");
const AROUND_IDS = new RegExp(`^[${BLANKS}\\u200b\\ufeff]+|[${BLANKS}\\u200b\\ufeff]+$`, "g");
const FLOAT = /^[+-]?(?:\d+(?:_\d+)*\.?(?:\d+(?:_\d+)*)?|\.\d+(?:_\d+)*)(?:e[+-]?\d+(?:_\d+)*)?$/i;

/** A text without the blanks around it, as `str.strip`. */
export function strip(text: string): string {
  return text.replace(AROUND, "");
}

/** An id without blanks around it, invisible ones included: ids are often pasted. */
export function stripId(text: string): string {
  return text.replace(AROUND_IDS, "");
}

/** A number as `float(text)` reads it; null for what is no number. */
export function readFloat(text: string): number | null {
  const bare = strip(text);
  const word = bare.toLowerCase().replace(/^[+-]/, "");
  if (word === "nan") return Number.NaN;
  if (word === "inf" || word === "infinity") return bare.startsWith("-") ? -Infinity : Infinity;
  return FLOAT.test(bare) ? Number(bare.replaceAll("_", "")) : null;
}

/** A number as `repr(float)`: 320.0, 0.001, 1e-05, 1e+16. */
export function repr(x: number): string {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf";
  const [mantissa, power] = x.toExponential().split("e") as [string, string];
  const exponent = Number(power);
  if (x !== 0 && (exponent < -4 || exponent >= 16)) return withExponent(mantissa, exponent);
  const plain = Object.is(x, -0) ? "-0" : decimal(mantissa, exponent);
  return plain.includes(".") ? plain : `${plain}.0`;
}

/** A number as `"%.{digits}f" % x`: of two values that are equally near the even one. */
export function fixed(x: number, digits: number): string {
  if (!Number.isFinite(x)) return repr(x);
  const written = x.toFixed(digits);
  const exact = Math.abs(x) < 1e15 ? Math.abs(x).toFixed(Math.min(100, digits + 60)) : "";
  const rest = exact.slice(exact.indexOf(".") + 1 + digits);
  if (!/^50*$/.test(rest)) return written;
  // A tie, which toFixed rounds up: cut off what is exact, and go up only from an odd digit.
  const cut = exact.slice(0, exact.length - rest.length).replace(/\.$/, "");
  const even = Number(cut.at(-1)) % 2 === 0;
  return even ? `${x < 0 ? "-" : ""}${cut}` : written;
}

/** A number as `"%.{digits}g" % x`, by default of six digits. */
export function general(x: number, digits = 6): string {
  if (!Number.isFinite(x)) return repr(x);
  if (x === 0) return Object.is(x, -0) ? "-0" : "0";
  const [mantissa, power] = x.toExponential(Math.max(digits, 1) - 1).split("e") as [string, string];
  const exponent = Number(power);
  const short = mantissa.includes(".") ? mantissa.replace(/\.?0+$/, "") : mantissa;
  return exponent < -4 || exponent >= digits ? withExponent(short, exponent) : decimal(short, exponent);
}

/** A number without decimals, its thousands set apart: 1,234,567. */
export function thousands(x: number): string {
  return fixed(x, 0).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `pattern % values` for the conversions that templates use: %s %d %g %f with a precision, and %%. */
export function printf(pattern: string, ...values: unknown[]): string {
  let next = 0;
  return pattern.replace(/%(?:\.(\d+))?([sdgf%])/g, (_, precision: string | undefined, kind: string) => {
    if (kind === "%") return "%";
    const value = values[next++];
    if (kind === "s") return String(value);
    if (kind === "d") return String(Math.trunc(Number(value)));
    const digits = precision === undefined ? 6 : Number(precision);
    return kind === "f" ? fixed(Number(value), digits) : general(Number(value), digits);
  });
}

/** At most `longest` characters of a text, and a sign of what is left out. */
export function shortened(text: string, longest: number): string {
  const characters = [...text];
  return characters.length <= longest ? text : `${characters.slice(0, longest).join("")}...`;
}

function withExponent(mantissa: string, exponent: number): string {
  const size = String(Math.abs(exponent)).padStart(2, "0");
  return `${mantissa}e${exponent < 0 ? "-" : "+"}${size}`;
}

/** Digits and a power of ten as a plain decimal number. */
function decimal(mantissa: string, exponent: number): string {
  const sign = mantissa.startsWith("-") ? "-" : "";
  const digits = mantissa.replace(/[-.]/g, "");
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  const rest = digits.slice(exponent + 1);
  return `${sign}${whole}${rest ? `.${rest}` : ""}`;
}
