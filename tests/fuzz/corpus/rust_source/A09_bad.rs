use anchor_lang::prelude::*;

#[program]
pub mod pools {
    use super::*;

    pub fn tick(ctx: Context<Tick>) -> Result<()> {
        let extra = &ctx.remaining_accounts[0];
        let loader = AccountLoader::<TickArray>::try_from(extra)?;
        let mut array = loader.load_mut()?;
        array.index += 1;
        Ok(())
    }
}

#[derive(Accounts)]
pub struct Tick<'info> {
    pub pool: Account<'info, Pool>,
}

#[account]
pub struct Pool {
    pub price: u64,
}

#[account(zero_copy)]
pub struct TickArray {
    pub pool: Pubkey,
    pub index: u64,
}
