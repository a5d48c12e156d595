/** What a visitor asked for cannot be answered; the message is shown as it is. */
export class BadInput extends Error {}

/** The data of the site cannot be had, or are not those that this script reads; the message is shown as it is. */
export class Unreadable extends Error {}
