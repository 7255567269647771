/**
 * The goods and the people of the demo shop: the persona set, and about 130 products of an invented maternity
 * brand with how much each persona is drawn to them. `shop` turns both into a year of events.
 */

/** Short names of the demo's personas, used in the tables of this file. */
export type PersonaKey = 'work' | 'home' | 'travel' | 'quiet' | 'price'

export type DemoPersona = {
  readonly name: string
  readonly description: string
  /** Lower case; each occurs in the titles of products the persona is drawn to. */
  readonly keywords: readonly string[]
}

/** What the shop tells the outside about a product. `price` in dollars; `launched_at` ISO 8601, null: always sold. */
export type DemoProduct = {
  readonly product_id: string
  readonly title: string
  readonly category: string
  readonly price: number
  readonly launched_at: string | null
}

export type CatalogueEntry = DemoProduct & {
  /** Relative demand among shoppers without a particular leaning. */
  readonly popularity: number
  /** Factor on `popularity` for a persona; a persona not named has factor 1. */
  readonly affinity: Affinity
  /** Everybody buys it, again and again, whatever their persona. */
  readonly staple: boolean
}

type Affinity = { readonly [key in PersonaKey]?: number }
type Row = readonly [
  title: string,
  price: number,
  popularity: number,
  affinity?: Affinity,
  launchedOn?: string,
]
type Shelf = {
  readonly category: string
  readonly code: string
  readonly staple?: true
  readonly rows: readonly Row[]
}

export const PERSONAS = {
  work: {
    name: 'working pumping mother',
    description:
      'Back at work and pumping there: wants hands free, discreet and portable, and milk kept cold.',
    keywords: ['wearable', 'hands-free', 'portable', 'office', 'workday'],
  },
  home: {
    name: 'stay-at-home new mother',
    description: 'At home with a newborn: nursing, comfort, recovery and play around the house.',
    keywords: ['nursing pillow', 'play mat', 'swaddle', 'postpartum', 'hospital-grade'],
  },
  travel: {
    name: 'travelling mother',
    description: 'Often under way with the baby: compact, foldable, light, battery-powered, fit for a plane.',
    keywords: ['travel', 'foldable', 'compact', 'carrier', 'on-the-go'],
  },
  quiet: {
    name: 'quiet-sensitive',
    description: 'Noise wakes the baby or her: chooses silent motors, white noise, blackout and soft light.',
    keywords: ['quiet', 'silent', 'white noise', 'blackout', 'sleep'],
  },
  price: {
    name: 'price-sensitive',
    description: 'Watches the budget: value packs, bundles, refurbished and outlet goods.',
    keywords: ['value pack', 'refurbished', 'outlet', 'bundle', 'open-box'],
  },
} as const satisfies Record<PersonaKey, DemoPersona>

export const PERSONA_KEYS = [
  'work',
  'home',
  'travel',
  'quiet',
  'price',
] as const satisfies readonly PersonaKey[]

// biome-ignore format: a table reads best with one product a line
const SHELVES: readonly Shelf[] = [
  { category: 'Diapering', code: 'DIA', staple: true, rows: [
    ['Cloudsoft Diapers, Size 1, 84 Count', 27.99, 8],
    ['Cloudsoft Diapers, Size 2, 76 Count', 27.99, 5],
    ['Cloudsoft Diapers, Size 3, 68 Count', 28.99, 3],
    ['Water Wipes, 12 Packs of 60', 31.5, 7],
    ['Zinc Diaper Rash Cream, 100 ml', 8.99, 3],
    ['Disposable Changing Pads, 40 Count', 12.99, 2],
    ['Diaper Pail Refill Liners, 6 Rolls', 18.99, 2],
  ] },
  { category: 'Milk storage', code: 'STO', staple: true, rows: [
    ['Breast Milk Storage Bags, 120 Count', 17.99, 8],
    ['Breast Milk Storage Bags, 60 Count', 10.99, 4],
    ['Disposable Nursing Pads, 100 Count', 13.99, 5],
    ['Lanolin Nipple Cream, 40 g', 11.49, 4],
    ['Bottle and Pump Part Soap, 500 ml', 8.49, 3],
    ['Steam Cleaning Bags, 20 Count', 9.99, 2],
  ] },
  { category: 'Wearable pumps', code: 'WEA', rows: [
    ['Luma One Wearable Breast Pump', 129.99, 5, { work: 6, travel: 2, price: 0.5 }],
    ['Luma One Wearable Breast Pump, Double', 219.99, 4, { work: 7.5, travel: 1.5, price: 0.3, home: 0.6 }],
    ['Luma Air Ultra-Light Wearable Breast Pump', 249.99, 2, { work: 5, travel: 5, price: 0.2 }],
    ['Luma Hush Quiet Wearable Breast Pump, Under 40 dB', 239.99, 2, { quiet: 9, work: 4, price: 0.3 }],
    ['Luma Two Hands-Free Breast Pump with App', 289.99, 2.5, { work: 7.5, price: 0.2 }, '2025-04-08'],
    ['Luma Mini Pocket Breast Pump for Travel', 149.99, 1.2, { travel: 9, work: 2 }, '2025-06-17'],
  ] },
  { category: 'Electric and manual pumps', code: 'PUM', rows: [
    ['Tempo Hospital-Grade Double Electric Breast Pump', 199.99, 2.5, { home: 6, price: 0.5 }],
    ['Tempo Portable Rechargeable Breast Pump', 139.99, 2, { work: 5, travel: 4 }],
    ['Tempo Whisper Silent-Motor Breast Pump', 169.99, 1.2, { quiet: 10 }],
    ['Everyday Single Electric Breast Pump', 49.99, 2, { price: 5, home: 1.5 }],
    ['Manual Breast Pump, One Hand', 22.99, 2.5, { price: 4, travel: 4, quiet: 2 }],
    ['Silicone Milk Collector, 100 ml', 14.99, 3, { home: 4, price: 2, quiet: 2 }],
    ['Wearable Milk Collection Cups, Pair', 29.99, 1.5, { work: 2, home: 2 }],
    ['Night Pump with Dim Display, Quiet Mode', 189.99, 0.6, { quiet: 11, home: 1.5 }, '2025-08-26'],
  ] },
  { category: 'Pump parts', code: 'PAR', rows: [
    ['Duckbill Valves, 6 Pack', 12.99, 4, { work: 5, travel: 1.5 }],
    ['Silicone Flange, 19 mm, Pair', 15.99, 2, { work: 4, home: 1.5 }],
    ['Silicone Flange, 24 mm, Pair', 15.99, 2.5, { work: 4, home: 1.5 }],
    ['Flange Inserts Set, 15 to 21 mm', 13.99, 1.5, { work: 4 }],
    ['Wearable Pump Spare Milk Collector', 24.99, 1.5, { work: 6, travel: 1.5 }],
    ['Linker and Diaphragm Set for Luma One', 16.99, 1.2, { work: 6 }],
    ['Pump Tubing Replacement, 2 Pack', 8.99, 0.8, { home: 4, price: 1.5 }],
    ['Spare Pump Motor Charger, USB-C', 14.99, 0.7, { work: 4, travel: 4 }],
    ['Low-Noise Silicone Diaphragm, Quiet Upgrade', 13.99, 0.5, { quiet: 10 }],
  ] },
  { category: 'Pump bags and coolers', code: 'BAG', rows: [
    ['Office Breast Pump Tote with Laptop Sleeve', 69.99, 1.5, { work: 10, price: 0.4 }],
    ['Pump Backpack with Cooler Compartment', 59.99, 1.5, { work: 6, travel: 5 }],
    ['Travel Pump Bag, Cabin Size', 54.99, 1, { travel: 10, work: 2 }],
    ['Workday Milk Cooler with Ice Pack', 29.99, 2, { work: 9, travel: 2 }],
    ['Vacuum Milk Chiller, 24 Hours, Portable', 44.99, 1.2, { work: 5, travel: 6, price: 0.4 }],
    ['Wet-Dry Bag for Pump Parts', 16.99, 1.5, { work: 5, travel: 4 }],
    ['Pump Parts Drying Mat, Office Desk Size', 12.99, 0.6, { work: 7.5 }],
    ['Reusable Ice Packs, 4 Pack', 11.99, 1, { work: 4, travel: 4 }],
  ] },
  { category: 'Nursing wear', code: 'BRA', rows: [
    ['Hands-Free Pumping Bra', 36.99, 4, { work: 6 }],
    ['Seamless Nursing Bra', 32.99, 4, { home: 4, work: 1.5, price: 0.7 }],
    ['Sleep Nursing Bra, Wireless', 28.99, 2.5, { home: 4, quiet: 4 }],
    ['Workday Pumping and Nursing Bra, T-Shirt Fit', 42.99, 1.5, { work: 7.5, price: 0.4 }],
    ['Nursing Tank Top', 27.99, 1.5, { home: 4 }],
    ['Nursing Pajama Set, Bamboo', 45.99, 1, { home: 5, quiet: 2 }],
    ['Nursing Cover for Travel, Muslin', 21.99, 0.8, { travel: 7.5 }],
    ['Plus Size Nursing Bra', 34.99, 0.9, { home: 2, work: 1.5 }, '2025-03-11'],
    ['Maternity Support Leggings', 38.99, 1.2, { work: 1.5, home: 1.5 }],
  ] },
  { category: 'Feeding', code: 'FEE', rows: [
    ['Anti-Colic Baby Bottle, 150 ml, 2 Pack', 16.99, 4, { home: 1.5, work: 1.5 }],
    ['Anti-Colic Baby Bottle, 260 ml, 2 Pack', 18.99, 3, { home: 1.5, work: 1.5 }],
    ['Slow-Flow Nipples, 4 Pack', 11.99, 2.5],
    ['Bottle Warmer, Countertop', 39.99, 2, { home: 5 }],
    ['Portable Bottle Warmer, Rechargeable', 59.99, 1.2, { travel: 9, work: 2, price: 0.3 }],
    ['Steam Sterilizer and Dryer', 89.99, 1.8, { home: 5, price: 0.5 }],
    ['Bottle Washer, Countertop', 249.99, 0.5, { home: 6, work: 2, price: 0.1 }, '2025-09-16'],
    ['Compact Travel Bottle Brush Kit', 14.99, 0.8, { travel: 7.5, work: 2 }],
    ['Formula Dispenser, On-the-Go Stacker', 9.99, 0.9, { travel: 6 }],
    ['Silicone Bibs, 3 Pack', 15.99, 1.5, { home: 1.5, price: 1.5 }],
    ['Foldable High Chair, On-the-Go', 64.99, 0.5, { travel: 7.5 }],
  ] },
  { category: 'Nursing comfort', code: 'COM', rows: [
    ['Adjustable Nursing Pillow', 44.99, 3, { home: 6 }],
    ['Nursing Pillow Cover, Muslin', 17.99, 1.2, { home: 5 }],
    ['Pregnancy Body Pillow, U-Shape', 59.99, 2, { home: 2.5, quiet: 4 }],
    ['Warming Lactation Massager', 34.99, 1.8, { work: 2, home: 2 }],
    ['Glider Nursing Chair', 289.99, 0.4, { home: 6, price: 0.1 }],
    ['Silent-Glide Rocker', 319.99, 0.25, { quiet: 10, home: 2, price: 0.1 }],
  ] },
  { category: 'Postpartum care', code: 'POS', rows: [
    ['Postpartum Recovery Kit', 39.99, 1.8, { home: 5 }],
    ['Postpartum Belly Wrap', 33.99, 1.8, { home: 4, work: 1.5 }],
    ['Disposable Postpartum Underwear, 10 Count', 16.99, 2, { home: 4 }],
    ['Perineal Cold Packs, 24 Count', 19.99, 1, { home: 4 }],
    ['Peri Bottle, Angled', 11.99, 1, { home: 4 }],
    ['Sitz Bath Soak, Herbal', 14.99, 0.6, { home: 5 }],
  ] },
  { category: 'Sleep and quiet', code: 'SLE', rows: [
    ['White Noise Machine, Bedside', 34.99, 2, { quiet: 9, home: 1.5 }],
    ['Pocket White Noise Machine for Travel', 24.99, 1, { quiet: 6, travel: 6 }],
    ['Blackout Curtain, Suction Cup', 32.99, 1, { quiet: 9, travel: 2.5 }],
    ['Silent Night Light, Warm Dim', 19.99, 1.5, { quiet: 7.5, home: 1.5 }],
    ['Baby Sleep Sack, 0.5 TOG', 29.99, 2, { quiet: 5, home: 2 }],
    ['Bamboo Swaddle Blankets, 3 Pack', 26.99, 2.5, { home: 4, quiet: 2.5 }],
    ['Zip-Up Swaddle, Quiet Zipper', 24.99, 1.2, { quiet: 7.5, home: 1.5 }],
    ['Bassinet with Soft-Close, Quiet Wheels', 159.99, 0.6, { quiet: 7.5, home: 2, price: 0.3 }],
    ['Baby Ear Muffs, Noise Reducing', 22.99, 0.6, { quiet: 7.5, travel: 4 }],
    ['Video Baby Monitor, Silent Vibration Alert', 129.99, 0.9, { quiet: 6, home: 2, price: 0.4 }],
    ['Sleep Mask and Soft Earplugs for Mothers', 13.99, 0.6, { quiet: 9 }],
    ['Smart Sleep Soother with Pink and White Noise', 69.99, 0.8, { quiet: 9 }, '2025-05-13'],
  ] },
  { category: 'Out and about', code: 'OUT', rows: [
    ['Foldable Cabin Stroller', 199.99, 1.2, { travel: 9, price: 0.4 }],
    ['All-Terrain Stroller', 329.99, 0.6, { home: 2, travel: 2, price: 0.2 }],
    ['Ergonomic Baby Carrier', 89.99, 2, { travel: 6, home: 2 }],
    ['Compact Baby Carrier Wrap', 44.99, 1.2, { travel: 6, home: 2 }],
    ['Foldable Travel Crib', 119.99, 0.9, { travel: 9 }],
    ['Car Seat Travel Bag', 34.99, 0.5, { travel: 10 }],
    ['Diaper Backpack, On-the-Go', 54.99, 1.8, { travel: 5, work: 1.5 }],
    ['Stroller Organizer', 19.99, 1, { travel: 5 }],
    ['Portable Changing Clutch', 23.99, 1, { travel: 6 }],
    ['Stroller Fan, Quiet, Clip-On', 21.99, 0.7, { travel: 5, quiet: 4 }],
    ['Travel Bottle Sterilizer, Compact', 49.99, 0.6, { travel: 9 }, '2025-05-27'],
  ] },
  { category: 'Value and outlet', code: 'VAL', rows: [
    ['Value Pack: Milk Storage Bags, 300 Count', 32.99, 2.5, { price: 9, work: 2 }],
    ['Value Pack: Diapers, Size 2, 210 Count', 58.99, 2.5, { price: 9, home: 1.5 }],
    ['Value Pack: Nursing Pads, 300 Count', 29.99, 1.5, { price: 7.5, home: 1.5 }],
    ['Value Pack: Water Wipes, 24 Packs', 52.99, 1.5, { price: 7.5 }],
    ['Refurbished Luma One Wearable Breast Pump', 69.99, 1.2, { price: 9, work: 2 }],
    ['Refurbished Tempo Double Electric Breast Pump', 89.99, 0.8, { price: 9, home: 1.5 }],
    ['Outlet: Seamless Nursing Bra, Last Season', 14.99, 1.5, { price: 9 }],
    ['Outlet: Bamboo Swaddle Blankets', 13.99, 0.9, { price: 7.5, home: 1.5 }],
    ['Open-Box Foldable Stroller', 119.99, 0.4, { price: 7.5, travel: 4 }],
    ['Open-Box White Noise Machine', 18.99, 0.4, { price: 6, quiet: 5 }],
    ['Starter Bundle: Bottles, Brush and Soap', 34.99, 1.5, { price: 6, home: 2 }],
    ['Nursing Bra Bundle, 3 Pack', 64.99, 1.2, { price: 6, home: 1.5, work: 1.5 }],
    ['Pump Parts Bundle, 6 Months', 49.99, 1, { price: 5, work: 4 }, '2025-07-08'],
  ] },
  { category: 'Snacks and supplements', code: 'NUT', rows: [
    ['Lactation Cookies, 12 Count', 19.99, 2.5, { home: 1.5, work: 1.5 }],
    ['Lactation Tea, 30 Bags', 13.99, 1.5, { home: 2, quiet: 1.5 }],
    ['Postnatal Multivitamin, 60 Count', 24.99, 2.5],
    ['Workday Lactation Bars, 10 Count', 17.99, 1.2, { work: 5, travel: 2 }],
    ['Electrolyte Sticks for Nursing, On-the-Go', 18.99, 1, { travel: 4, work: 2 }],
    ['Magnesium Sleep Support, 60 Count', 21.99, 0.7, { quiet: 6 }],
    ['Vitamin D Drops for Babies', 12.99, 2],
    ['Sunflower Lecithin, 120 Count', 19.99, 1, { work: 2.5 }],
  ] },
  { category: 'Play and bath', code: 'PLA', rows: [
    ['Padded Play Mat, Foam', 79.99, 1, { home: 6, price: 0.6 }],
    ['Wooden Play Gym', 69.99, 0.8, { home: 5, price: 0.5 }],
    ['High-Contrast Cloth Book', 12.99, 1.2, { home: 2, travel: 1.5 }],
    ['Stroller Toy, Clip-On', 11.99, 0.7, { travel: 4 }],
    ['Silicone Teether, 2 Pack', 9.99, 1.8, { price: 1.5 }],
    ['Soft Rattle Set', 14.99, 0.8, { home: 2 }],
    ['Foldable Baby Bathtub', 36.99, 1, { travel: 2, home: 1.5 }],
    ['Tummy-Time Mirror', 18.99, 0.6, { home: 5 }],
    ['Baby Bouncer, Silent Sway', 109.99, 0.7, { quiet: 6, home: 2.5, price: 0.4 }, '2025-10-07'],
  ] },
]

/** Every product of the shop; its id is its shelf's code and place, such as `WEA-03`. */
export const CATALOGUE: readonly CatalogueEntry[] = SHELVES.flatMap((shelf) =>
  shelf.rows.map(([title, price, popularity, affinity = {}, launchedOn], place) => ({
    product_id: `${shelf.code}-${String(place + 1).padStart(2, '0')}`,
    title,
    category: shelf.category,
    price,
    launched_at: launchedOn === undefined ? null : `${launchedOn}T00:00:00.000Z`,
    popularity,
    affinity,
    staple: shelf.staple ?? false,
  })),
)
