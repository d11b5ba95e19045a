use anchor_lang::prelude::*;

declare_id!("11111111111111111111111111111111");

// Whoever signs may raise the flag of anybody's ship.
#[program]
pub mod harbour {
    use super::*;

    pub fn raise_flag(ctx: Context<RaiseFlag>, colour: u8) -> Result<()> {
        let ship = &mut ctx.accounts.ship;
        ship.colour = colour;
        Ok(())
    }
}

#[derive(Accounts)]
pub struct RaiseFlag<'info> {
    #[account(mut)]
    pub ship: Account<'info, Ship>,
    pub owner: Signer<'info>,
}

#[account]
pub struct Ship {
    pub owner: Pubkey,
    pub colour: u8,
}
