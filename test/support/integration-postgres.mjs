// The PostgreSQL that integration-setup.mjs has started, for libs/testing.
const said = process.env.SKYLITE_TEST_POSTGRES;
if (said !== undefined) globalThis.skyliteTestPostgres = JSON.parse(said);
